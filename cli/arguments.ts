// What commander calls for an option's text: a checked value, or a usage error that says what is allowed.
import { InvalidArgumentError } from 'commander'
import { tryParseDurationMs } from '../runtime/duration.ts'

/** ms of `20s`, `10m`, `500ms`. */
export function duration (text: string): number {
  const ms = tryParseDurationMs(text)
  if (ms === null) throw new InvalidArgumentError('Write a number and ms, s, m, h or d, such as 20s.')
  return ms
}

export function above0 (text: string): number {
  const value = Number(text)
  if (!(value > 0) || !Number.isFinite(value)) throw new InvalidArgumentError('A number above 0 is needed.')
  return value
}

export function wholeNumber (low: number, high: number): (text: string) => number {
  return (text) => {
    const value = Number(text)
    if (!Number.isSafeInteger(value) || value < low || value > high) throw new InvalidArgumentError(`A whole number from ${low} to ${high} is needed.`)
    return value
  }
}

/** The URL of a broker: `mqtts://host[:port]`. */
export function brokerUrl (text: string): string {
  const url = URL.canParse(text) ? new URL(text) : null
  if (url?.protocol === 'mqtts:' && url.hostname !== '') return text
  throw new InvalidArgumentError('Write mqtts://host or mqtts://host:port.')
}
