// The process's log: JSON lines to standard error (standard output belongs to results), or one readable line per event
// on a terminal. What may be logged is decided twice: log-safety.ts lets only plain data through and removes what looks
// secret, and pino's own redaction stands behind it.
import { pino, type DestinationStream, type LevelWithSilent } from 'pino'
import { type Logger } from './observability.ts'
import { safeFields, safeText, secretNames } from './log-safety.ts'
import { readableLines } from './log-readable.ts'

export type LogLevel = LevelWithSilent

export interface LoggerOptions {
  readonly level: LogLevel
  /** Where lines go; default standard error. */
  readonly destination?: DestinationStream
  /** Readable lines instead of JSON; default: when standard error is a terminal and no destination is given. */
  readonly readable?: boolean
  /** Fields of every line. */
  readonly base?: Readonly<Record<string, string>>
}

export function createLogger ({ level, destination, readable, base = {} }: LoggerOptions): Logger {
  // synchronous: a line about why the process dies must be out before it does
  const sink = destination ?? pino.destination({ fd: 2, sync: true })
  const forPeople = readable ?? (destination === undefined && process.stderr.isTTY)
  const logger: Logger = pino({
    level,
    base,
    timestamp: pino.stdTimeFunctions.isoTime,
    redact: {
      paths: secretNames.flatMap((name) => [name, `*.${name}`]),
      censor: (value: unknown) => typeof value === 'number' || typeof value === 'boolean' ? value : '[redacted]'
    },
    // pino's default `err` serialiser copies every property of an error, row values of PostgreSQL errors included
    serializers: { err: (value: unknown) => value },
    formatters: {
      level: (label) => ({ level: label }),
      log: safeFields
    },
    hooks: {
      // `log.error(err)` would print the error's message as it is
      logMethod (args, method) {
        const [first, ...rest] = args as unknown[]
        const fields = first instanceof Error ? [{ err: first }, rest[0] ?? 'error'] : [first, ...rest]
        method.apply(this, fields.map((part) => typeof part === 'string' ? safeText(part) : part) as Parameters<typeof method>)
      }
    }
  }, forPeople ? readableLines(sink) : sink)
  return withSafeBindings(logger)
}

/** pino formats the bindings of the first logger only, not those of its children (which inherit `child` from it). */
function withSafeBindings (logger: Logger): Logger {
  const child: unknown = Reflect.get(logger, 'child')
  if (typeof child === 'function') {
    Reflect.set(logger, 'child', function (this: Logger, bindings: object, options?: object): unknown {
      const made: unknown = Reflect.apply(child, this, [safeFields(bindings), options])
      return made
    })
  }
  return logger
}

/** Lines appended to `path` (made 0600), for a process whose terminal shows something else. */
export function logFileDestination (path: string): DestinationStream {
  return pino.destination({ dest: path, append: true, sync: true, mode: 0o600 })
}
