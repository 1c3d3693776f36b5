// Times of a device of which nothing may be stored any more, because they were erased (erase.ts). A message of such a time that was never
// seen gets its receipt, so that nothing vanishes and a resend is a duplicate, but none of its values; one that must go to quarantine goes
// there without its bytes. Pure. Almost no device has such times: then this costs one comparison a message.
import { type Message } from '../schemas/telemetry.ts'
import { type QuarantineRow } from './batch.ts'
import { type Period } from './lookup.ts'
import { type Extent } from './place.ts'

/** Part of a SELECT from device: null, or pairs of epoch ms, null where a period has no end. */
export const erasedColumn = `CASE WHEN erased IS NOT NULL THEN (
  SELECT json_agg(json_build_array(extract(epoch FROM lower(p)) * 1000, extract(epoch FROM upper(p)) * 1000)) FROM unnest(erased) AS p) END AS erased`

export interface ErasedColumn { readonly erased: ReadonlyArray<readonly [number | null, number | null]> | null }

/** Nothing for a device of which nothing was erased, as for almost all. */
export function erasedOf (column: ErasedColumn['erased']): { readonly erased?: readonly Period[] } {
  if (column === null) return {}
  return { erased: column.map(([fromMs, toMs]) => ({ fromMs: fromMs ?? -Infinity, toMs: toMs ?? Infinity })) }
}

/** Does anything of a message whose base time is `baseMs` lie in an erased time? */
export function touchesErased (erased: readonly Period[] | undefined, baseMs: number, { oldestMs, furthestMs }: Extent): boolean {
  return erased?.some(({ fromMs, toMs }) => baseMs + furthestMs >= fromMs && baseMs + oldestMs < toMs) === true
}

/** The message without samples of an erased time, and without waves of which any part lies in one; and how many were left out. */
export function withoutErased (message: Message, baseMs: number, erased: readonly Period[] | undefined): { readonly message: Message, readonly left: number } {
  if (erased === undefined || message.kind === 'birth') return { message, left: 0 }
  const samples = message.samples.filter(({ dtMs }) => !touchesErased(erased, baseMs, { oldestMs: dtMs, furthestMs: dtMs }))
  const waves = message.waves.filter(({ dtMs, periodUs, values }) =>
    !touchesErased(erased, baseMs, { oldestMs: dtMs, furthestMs: dtMs + (values.length - 1) * periodUs / 1_000 }))
  const left = message.samples.length - samples.length + message.waves.length - waves.length
  return { message: left === 0 ? message : { ...message, samples, waves }, left }
}

/** The row without the message's bytes: in their place its identity, so that a resend is still known as the same. */
export function withoutBytes (row: QuarantineRow): QuarantineRow {
  const { publisher, source, boot, seq, receivedAtMs } = row
  const identity = boot === null ? `${publisher} received ${receivedAtMs}` : `${source ?? publisher} boot ${boot} seq ${seq ?? ''}`
  return { ...row, reason: 'erased', detail: '', payload: Buffer.from(`erased: ${identity}`) }
}
