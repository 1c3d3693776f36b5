// Durations as people write them (`20s`, `1.5h`, `90d`) and as programs count them (ms). One parser for flags and
// environment variables, so the same text means the same everywhere.
import { PulsegateError } from './errors.ts'

const unitMs: Record<string, number> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 }
const durationText = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/

/** ms of a text such as `250ms`, `20s`, `1.5h`, `90d`; null when it is not one. A bare number is none: which unit was meant? */
export function tryParseDurationMs (text: string): number | null {
  const match = durationText.exec(text.trim())
  const unit = unitMs[match?.[2] ?? '']
  if (!match || unit === undefined) return null
  const ms = Math.round(Number(match[1]) * unit)
  return Number.isSafeInteger(ms) ? ms : null
}

/** As tryParseDurationMs; throws CONFIG_INVALID when `text` is not a duration. */
export function parseDurationMs (text: string): number {
  const ms = tryParseDurationMs(text)
  if (ms === null) {
    throw new PulsegateError('CONFIG_INVALID', `${JSON.stringify(text)} is not a duration: write a number and ms, s, m, h or d, such as 20s`)
  }
  return ms
}

/** The shortest exact text for a whole number of ms: 90_000 → `90s`, 7_200_000 → `2h`. */
export function formatDuration (ms: number): string {
  for (const unit of ['d', 'h', 'm', 's']) {
    const size = unitMs[unit] ?? 1
    if (ms >= size && ms % size === 0) return `${ms / size}${unit}`
  }
  return `${ms}ms`
}
