// What commands that print tables share: aligned columns, times for people, times from people.
import { InvalidArgumentError } from 'commander'
import { tryParseDurationMs } from '../runtime/duration.ts'

/** Prints `data` with --json, else `text`. */
export type Print = (options: { readonly json?: true }, data: unknown, text: string) => void

/** `write` is where the output goes: standard output, unless a test listens. */
export function printer (write: (text: string) => void): Print {
  return (options, data, text) => { write(options.json === true ? `${JSON.stringify(data, jsonSafe)}\n` : text) }
}

/** A boot id is beyond what a JSON number holds: it goes as text. */
function jsonSafe (_: string, value: unknown): unknown {
  return typeof value === 'bigint' ? value.toString() : value
}

/** Rows under a head, columns aligned, one line each. */
export function table (head: readonly string[], rows: ReadonlyArray<readonly string[]>): string {
  const all = [head, ...rows]
  const widths = head.map((_, column) => Math.max(...all.map((row) => row[column]?.length ?? 0)))
  return all.map((row) => `${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  ').trimEnd()}\n`).join('')
}

/** Seconds, UTC; nothing for null. */
export function timeText (time: Date | null): string {
  return time === null ? '' : `${time.toISOString().slice(0, 19).replace('T', ' ')}`
}

/** ms since 1970 of `2026-01-31`, `2026-01-31T08:00:00Z`, or a duration before now such as `24h`. */
export function parseTime (text: string): number {
  const agoMs = tryParseDurationMs(text)
  // Date.parse alone would take "5" for May 2001
  const isTime = /^\d{4}-\d{2}-\d{2}/.test(text)
  const timeMs = agoMs !== null ? Date.now() - agoMs : isTime ? Date.parse(text) : NaN
  if (!Number.isNaN(timeMs)) return timeMs
  throw new InvalidArgumentError('Give a time such as 2026-01-31T08:00:00Z, or how long ago, such as 24h.')
}
