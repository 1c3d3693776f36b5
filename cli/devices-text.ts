// What `pulsegate devices …` says of a change, device by device, for a person: what holds now, and what had to end for it.
import { type ChangeResult } from '../ingest/registry-change.ts'
import { type Effect, type Holder } from '../ingest/registry-periods.ts'
import { errorRegistry } from '../runtime/errors.ts'
import { timeText } from './text.ts'

export interface Sums { readonly changed: number, readonly unchanged: number, readonly refused: number }

export function sumsOf (results: readonly ChangeResult[]): Sums {
  const count = (outcome: ChangeResult['outcome']): number => results.filter((result) => result.outcome === outcome).length
  return { changed: count('changed'), unchanged: count('unchanged'), refused: count('refused') }
}

/** `done`: what a change without periods came to, such as `active`. */
export function resultText (results: readonly ChangeResult[], { changed, unchanged, refused }: Sums, done: string): string {
  const lines = results.map((result) => {
    if (result.outcome === 'refused') return `${result.id}  refused, ${result.code}: ${result.message}`
    const text = effectText(result) || done
    return result.outcome === 'changed' ? `${result.id}  ${text}` : `${result.id}  was so already: ${text}`
  })
  if (results.length > 1) lines.push(`${changed} changed, ${unchanged} as they were, ${refused} refused`)
  const codes = new Set(results.flatMap((result) => result.outcome === 'refused' ? [result.code] : []))
  for (const code of codes) lines.push(`${code}, what to do: ${errorRegistry[code].remedy}`)
  return lines.map((line) => `${line}\n`).join('')
}

function effectText ({ period, ended, takenBack }: Omit<Effect, 'events'>): string {
  const parts: string[] = []
  if (period !== undefined) parts.push(`${heldBy(period)} ${spanText(period)}`)
  if (ended !== undefined) {
    const before = ended.untilBefore === null ? 'it had no end' : `it was to end at ${utc(ended.untilBefore)}`
    parts.push(`ended: ${heldBy(ended)} ${spanText(ended)} (${before})`)
  }
  if (takenBack !== undefined) parts.push(`taken back: ${heldBy(takenBack)} ${spanText(takenBack)}`)
  return parts.join('; ')
}

function heldBy (holder: Holder): string {
  return 'gateway' in holder ? `paired with ${holder.gateway}` : `assigned to ${holder.subject}`
}

function spanText ({ from, until }: { readonly from: Date | null, readonly until: Date | null }): string {
  return `${from === null ? 'from ever' : `from ${utc(from)}`}${until === null ? '' : ` until ${utc(until)}`}`
}

/** To the millisecond where there are any: a period is checked to the microsecond. */
function utc (time: Date): string {
  const ms = time.getUTCMilliseconds()
  return `${timeText(time)}${ms === 0 ? '' : `.${String(ms).padStart(3, '0')}`} UTC`
}
