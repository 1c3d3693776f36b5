// Times of a device of which nothing may be stored any more, because they were erased (erase.ts). A message of such a time that was never
// seen gets its receipt, so that nothing vanishes and a resend is a duplicate, but none of its values, and all those of other times; one that
// must go to quarantine goes there without its bytes (quarantine-erased.ts). Pure. Almost no device has such times: then this costs one comparison a message.
import { type Message, type Wave } from '../schemas/telemetry.ts'
import { isIn, type Period } from './period.ts'

/** Part of a SELECT from device: null, or pairs of epoch ms, null where a period has no end. */
export const erasedColumn = `CASE WHEN erased IS NOT NULL THEN (
  SELECT json_agg(json_build_array(extract(epoch FROM lower(p)) * 1000, extract(epoch FROM upper(p)) * 1000)) FROM unnest(erased) AS p) END AS erased`

export interface ErasedColumn { readonly erased: ReadonlyArray<readonly [number | null, number | null]> | null }

/** Nothing for a device of which nothing was erased, as for almost all. */
export function erasedOf (column: ErasedColumn['erased']): { readonly erased?: readonly Period[] } {
  if (column === null) return {}
  return { erased: column.map(([fromMs, toMs]) => ({ fromMs: fromMs ?? -Infinity, toMs: toMs ?? Infinity })) }
}

/** The message without what it says of erased times, waves cut at their edges; and how many samples and waves lost anything. */
export function withoutErased (message: Message, baseMs: number, erased: readonly Period[] | undefined): { readonly message: Message, readonly left: number } {
  if (erased === undefined || message.kind === 'birth') return { message, left: 0 }
  const samples = message.samples.filter(({ dtMs }) => !isIn(erased, baseMs + dtMs))
  let left = message.samples.length - samples.length
  const waves = message.waves.flatMap((wave) => {
    const pieces = cut(wave, baseMs, erased)
    if (pieces !== null) left++
    return pieces ?? wave
  })
  return { message: left === 0 ? message : { ...message, samples, waves }, left }
}

/** What remains of a wave; null: all of it. The times in their order. As erase_waves() cuts what is stored already (0016): value i is at its time + i * period. */
function cut (wave: Wave, baseMs: number, erased: readonly Period[]): Wave[] | null {
  const { dtMs, periodUs, values } = wave
  // in whole microseconds, as the database counts
  const startUs = (baseMs + dtMs) * 1_000
  const indexAt = (ms: number): number => Math.min(values.length, Math.max(0, Math.ceil((Math.round(ms * 1_000) - startUs) / periodUs)))
  const pieces: Wave[] = []
  let from = 0
  const keep = (to: number): void => {
    if (to > from) pieces.push({ ...wave, dtMs: dtMs + from * periodUs / 1_000, values: values.subarray(from, to) })
  }
  let touched = false
  for (const { fromMs, toMs } of erased) {
    const [first, after] = [indexAt(fromMs), indexAt(toMs)]
    if (first >= after) continue
    touched = true
    keep(first)
    from = after
  }
  if (!touched) return null
  keep(values.length)
  return pieces
}
