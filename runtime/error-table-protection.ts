// Errors of keys, sealed data, exports and encrypted connections; part of the registry in errors.ts.
import { type ErrorEntry } from './error-entry.ts'

export const protectionErrors = {
  DATABASE_TLS_REFUSED: {
    meaning: 'The database\'s certificate was not accepted, or it does not speak TLS: no password and no data was sent.',
    remedy: 'Give the CA that signed it (--database-ca or sslrootcert= in the URL) and the name that is in it; `sslmode=disable` in the URL goes without encryption on purpose.',
    exit: 78,
    retryable: false
  },
  EXPORT_DAMAGED: {
    meaning: 'The export file was cut short, changed or put together from parts, or it is none.',
    remedy: 'Take another copy of the file, or make the export again. Nothing behind the fault was given out.',
    exit: 1,
    retryable: false
  },
  EXPORT_EXISTS: {
    meaning: 'A file of the name that the export was to have is there already.',
    remedy: 'Choose another name, or remove the file; an export never writes over one.',
    exit: 1,
    retryable: false
  },
  EXPORT_FAILED: {
    meaning: 'The export could not be written to its file; what was begun is removed.',
    remedy: 'Correct what the message names (a folder that is not there, no space left) and export again.',
    exit: 1,
    retryable: false
  },
  EXPORT_UNREADABLE: {
    meaning: 'The file to be opened as an export cannot be read.',
    remedy: 'Correct the path, and let this user read the file.',
    exit: 1,
    retryable: false
  },
  EXPORT_SUBJECT_UNKNOWN: {
    meaning: 'No device was ever assigned to the subject that the export is of.',
    remedy: 'Check the pseudonym; `pulsegate devices show <id>` says to whom a device was assigned. The attempt is in the audit trail.',
    exit: 1,
    retryable: false
  },
  KEY_DESTROYED: {
    meaning: 'The data key that this was sealed with has been destroyed on purpose.',
    remedy: 'None: it is unreadable for good, in every copy and backup. `pulsegate keys list` says when, the audit trail by whom.',
    exit: 1,
    retryable: false
  },
  KEY_MASTER_AT_HAND: {
    meaning: 'The master key that was called lost is there and opens its data keys, so nothing was destroyed.',
    remedy: 'To retire it: `pulsegate keys rotate`. To destroy what it protects: `pulsegate keys destroy` with --tenant, --all-tenants or --export.',
    exit: 1,
    retryable: false
  },
  KEY_MASTER_UNKNOWN: {
    meaning: 'A data key is wrapped by a master key that this process does not have.',
    remedy: 'Give the master key that the message names in --old-master-keys; when it is lost for good, `pulsegate keys destroy --lost-master <id>` gives up what it protects.',
    exit: 78,
    retryable: false
  },
  KEY_SELECTION_EMPTY: {
    meaning: 'No data key and no message fits what was to be destroyed; what was destroyed before does not count.',
    remedy: 'Check the name, id or days: `pulsegate keys list` shows data keys with tenant, day, export and master key.',
    exit: 1,
    retryable: false
  },
  KEY_SERVICE_REFUSED: {
    meaning: 'The key service answered that this process may not use the key, or did not understand it.',
    remedy: 'Check the token or client certificate of this process at the key service, and the URL; its own log says more.',
    exit: 78,
    retryable: false
  },
  KEY_UNAVAILABLE: {
    meaning: 'The key service does not answer, so a key can neither be wrapped nor unwrapped.',
    remedy: 'None needed for a short outage: messages wait unacknowledged and are tried again. When it lasts, look at the key service.',
    exit: 1,
    retryable: true
  },
  MASTER_KEY_EXISTS: {
    meaning: 'There is a master key already, and it is not replaced.',
    remedy: 'Use it; for another one, give another path and move to it with `pulsegate keys rotate` (docs/security/encryption.md).',
    exit: 1,
    retryable: false
  },
  MASTER_KEY_INVALID: {
    meaning: 'The file of the master key does not hold 32 bytes in base64.',
    remedy: 'Put the right file back from its backup; `pulsegate keys init` makes a new one where there is none.',
    exit: 78,
    retryable: false
  },
  MASTER_KEY_MISSING: {
    meaning: 'There is no master key, and what goes to quarantine is never stored in the clear.',
    remedy: 'Put the key back from its backup, or make one with `pulsegate keys init` at the very first start; --master-key names its file or a key service.',
    exit: 78,
    retryable: false
  },
  REDIS_PLAIN_REFUSED: {
    meaning: 'The connection to a Redis on another machine would not be encrypted; it would carry patients\' values and the password.',
    remedy: 'Use rediss:// with --redis-ca; or --allow-plain-redis (tls=off in the URL) where the network itself is encrypted.',
    exit: 78,
    retryable: false
  },
  REDIS_TLS_REFUSED: {
    meaning: 'The certificate of Redis was not accepted, or it does not speak TLS: no password and no data was sent.',
    remedy: 'Give the CA that signed it (--redis-ca) and the name that is in it.',
    exit: 78,
    retryable: false
  },
  SEALED_DATA_DAMAGED: {
    meaning: 'Sealed data does not open: it was changed, or moved from another row.',
    remedy: 'Compare it with a backup; find out who can write to the database. The other messages are not concerned.',
    exit: 1,
    retryable: false
  },
  SECRET_FILE_EXPOSED: {
    meaning: 'A file with a secret can be read or replaced by others, so it is not used.',
    remedy: 'Run the command in the message. If others had access, make the secret anew.',
    exit: 78,
    retryable: false
  },
  SECRET_FILE_MISSING: {
    meaning: 'A file with a secret cannot be read.',
    remedy: 'Correct the path, and let the user of the process (and nobody else) read it.',
    exit: 78,
    retryable: false
  },
  TLS_FILE_UNREADABLE: {
    meaning: 'A certificate or CA file for an encrypted connection cannot be read or is not PEM.',
    remedy: 'Correct the path in the setting or URL that the message names.',
    exit: 78,
    retryable: false
  }
} as const satisfies Record<string, ErrorEntry>
