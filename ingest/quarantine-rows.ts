// Writing to quarantine, inside the batch's transaction. The same bad message again and again stays one row whose
// `times` counts; repeats inside a batch are folded first, because one statement may not touch a row twice (21000).
import { createHash } from 'node:crypto'
import { type ClientBase } from 'pg'
import { type QuarantineRow } from './batch.ts'

const insertQuarantine = `INSERT INTO quarantine
  (received_at, last_received_at, publisher, source, boot, seq, kind, reason, detail, payload, digest, times)
  SELECT to_timestamp(first_ms / 1000.0), to_timestamp(last_ms / 1000.0), publisher, source, boot, seq, kind, reason, detail, payload, digest, times
  FROM unnest($1::float8[], $2::float8[], $3::uuid[], $4::uuid[], $5::numeric[], $6::int8[], $7::text[], $8::text[], $9::text[],
    $10::bytea[], $11::bytea[], $12::int4[])
    AS q (first_ms, last_ms, publisher, source, boot, seq, kind, reason, detail, payload, digest, times)
  ON CONFLICT (publisher, kind, digest, reason) DO UPDATE
  SET times = quarantine.times + excluded.times, last_received_at = greatest(quarantine.last_received_at, excluded.last_received_at)`

interface Folded {
  readonly row: QuarantineRow
  readonly digest: Buffer
  firstMs: number
  lastMs: number
  times: number
}

/** Writes `rows`; the caller's transaction makes them durable. */
export async function writeQuarantine (client: ClientBase, rows: readonly QuarantineRow[]): Promise<void> {
  if (rows.length === 0) return
  const folded = fold(rows)
  await client.query(insertQuarantine, [
    folded.map(({ firstMs }) => firstMs),
    folded.map(({ lastMs }) => lastMs),
    folded.map(({ row }) => row.publisher),
    folded.map(({ row }) => row.source),
    folded.map(({ row }) => row.boot?.toString() ?? null),
    folded.map(({ row }) => row.seq),
    folded.map(({ row }) => row.kind),
    folded.map(({ row }) => row.reason),
    folded.map(({ row }) => row.detail),
    folded.map(({ row }) => row.payload),
    folded.map(({ digest }) => digest),
    folded.map(({ times }) => times)
  ])
}

/** One entry per row of the table; in the table's own order of locking, so that two workers cannot wait for each other. */
function fold (rows: readonly QuarantineRow[]): Folded[] {
  const byKey = new Map<string, Folded>()
  for (const row of rows) {
    const digest = createHash('sha256').update(row.payload).digest()
    const key = `${row.publisher} ${row.kind} ${row.reason} ${digest.toString('latin1')}`
    const known = byKey.get(key)
    if (known === undefined) {
      byKey.set(key, { row, digest, firstMs: row.receivedAtMs, lastMs: row.receivedAtMs, times: 1 })
    } else {
      known.times++
      known.firstMs = Math.min(known.firstMs, row.receivedAtMs)
      known.lastMs = Math.max(known.lastMs, row.receivedAtMs)
    }
  }
  return [...byKey.entries()].sort(([a], [b]) => a < b ? -1 : 1).map(([, entry]) => entry)
}
