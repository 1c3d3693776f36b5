// Errors of the audit trail; part of the registry in errors.ts.
import { type ErrorEntry } from './error-entry.ts'

export const auditErrors = {
  AUDIT_EXPORT_INVALID: {
    meaning: 'A file is not an export of the audit trail, or a line of it cannot be read.',
    remedy: 'Give a file that `pulsegate audit export` wrote, whole; export again if it was cut off.',
    exit: 1,
    retryable: false
  },
  AUDIT_FOLDER: {
    meaning: 'The folder of the audit trail\'s key and signed heads cannot be used.',
    remedy: 'Run the command that the message names, or choose another folder with --audit-dir.',
    exit: 78,
    retryable: false
  },
  AUDIT_KEY_EXPOSED: {
    meaning: 'The key that signs the heads of the audit trail can be read or replaced by somebody who should not, so it is not used.',
    remedy: 'Run the chmod or chown that the message names; if others had access for real, run `pulsegate audit rotate-key` afterwards.',
    exit: 78,
    retryable: false
  },
  AUDIT_KEY_INVALID: {
    meaning: 'A key of the audit trail is missing, or is not an Ed25519 key in PEM.',
    remedy: 'Give the right file; a process makes its own key in the folder of --audit-dir at its first start. Restore a damaged one from a backup.',
    exit: 78,
    retryable: false
  },
  AUDIT_UNAVAILABLE: {
    meaning: 'The audit trail cannot be written, and what was asked for must not happen unrecorded.',
    remedy: 'Look at the database (`pulsegate doctor`), and at `audit` in /readyz; then try again. A login that only reads (pulsegate_reader) cannot record what it reads: use one that is a member of pulsegate_auditor as well.',
    exit: 1,
    retryable: true
  }
} as const satisfies Record<string, ErrorEntry>
