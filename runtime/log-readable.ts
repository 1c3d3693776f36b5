// Log lines for people at a terminal: `12:04:31 warn  connection refused  device=… reason=…`. Sits between pino and the
// terminal. Everything a device can influence is printed quoted and without control characters, so no device can paint
// on the operator's screen.
import { type DestinationStream } from 'pino'

const colours: Record<string, number> = { trace: 90, debug: 90, info: 32, warn: 33, error: 31, fatal: 41 }

/** A destination for pino that turns its JSON lines into readable ones and writes them to `sink`. */
export function readableLines (sink: DestinationStream, { colour = true } = {}): DestinationStream {
  return { write: (line: string) => sink.write(readableLine(line, colour)) }
}

/** One JSON line as one readable line (an error's stack on lines of its own). A line that is no JSON passes as it is. */
export function readableLine (line: string, colour: boolean): string {
  let event: Record<string, unknown>
  try {
    event = JSON.parse(line) as Record<string, unknown>
  } catch {
    return line
  }
  const { level, time, msg, err, ...fields } = event
  const clock = typeof time === 'string' ? time.slice(11, 19) : ''
  const name = typeof level === 'string' ? level : ''
  const label = colour ? `\u001b[${colours[name] ?? 0}m${name.padEnd(5)}\u001b[0m` : name.padEnd(5)
  const details = Object.entries(fields).map(([field, value]) => `${field}=${plain(value)}`)
  return [clock, label, typeof msg === 'string' ? bare(msg) : '', ...details, readableError(err)].filter(Boolean).join(' ') + '\n'
}

function readableError (err: unknown): string {
  if (typeof err !== 'object' || err === null) return ''
  const { type, code, message, stack } = err as Record<string, unknown>
  const title = [type, code, message].filter((part) => typeof part === 'string').map((part) => bare(String(part))).join(' ')
  return `\n  ${title}${typeof stack === 'string' ? '\n    ' + bare(stack).replaceAll('\\n', '\n    ') : ''}`
}

function plain (value: unknown): string {
  if (typeof value === 'string' && /^[\w.:/@+-]{1,200}$/.test(value)) return value
  return bare(JSON.stringify(value) ?? '')
}

/** Control characters (C0, DEL, C1) as escapes. */
function bare (text: string): string {
  // eslint-disable-next-line no-control-regex
  return text.replace(/[\u0000-\u001f\u007f-\u009f]/g, (c) => c === '\n' ? '\\n' : `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`)
}
