// What a replay must know before and after it writes: which messages have a receipt, and which are older than what is kept
// today. A message's age was judged when it came in; while it lay in quarantine, the receipt of its resend may have been dropped with
// its day, and storing it then would store it a second time.
import { type Columns } from './columns.ts'
import { type Database } from './database.ts'
import { type Mask } from './encode-rows.ts'

/** By message: 1 where its receipt is there. */
export async function findReceipts (database: Database, columns: Columns): Promise<Mask> {
  const found: Mask = new Uint8Array(columns.messages)
  if (columns.messages === 0) return found
  const part = (column: Float64Array | Int32Array): number[] => Array.from(column.subarray(0, columns.messages))
  // LATERAL … LIMIT 1: one probe of the unique index each, whatever the planner thinks of the tables' sizes
  const { rows } = await database.query<{ n: string }>(`
    SELECT w.n FROM unnest($1::int4[], $2::int8[], $3::int8[], $4::float8[]) WITH ORDINALITY AS w (device, boot, seq, time_ms, n)
    CROSS JOIN LATERAL (
      SELECT FROM receipt r WHERE r.device = w.device AND r.boot = w.boot AND r.seq = w.seq AND r.time = to_timestamp(w.time_ms / 1000) LIMIT 1
    ) AS found`, [part(columns.device), part(columns.boot), part(columns.seq), part(columns.timeMs)])
  for (const { n } of rows) found[Number(n) - 1] = 1
  return found
}

/** The oldest time that may still be stored, ms since 1970 UTC: by the setting, and by what retention has dropped. */
export async function oldestKeptMs (database: Database, retentionMs: number): Promise<number> {
  const { rows: [row] } = await database.query<{ ms: number }>('SELECT extract(epoch FROM dropped_before)::float8 * 1000 AS ms FROM retention')
  return Math.max(Date.now() - retentionMs, row?.ms ?? -Infinity)
}

/** Indexes of the messages of which any part lies before `oldestMs`. */
export function olderThan (columns: Columns, oldestMs: number): Set<number> {
  const old = new Set<number>()
  for (let i = 0; i < columns.messages; i++) if ((columns.timeMs[i] as number) < oldestMs) old.add(i)
  for (let s = 0; s < columns.samples; s++) if ((columns.sampleTimeMs[s] as number) < oldestMs) old.add(columns.sampleMessage[s] as number)
  for (const { message, timeMs } of columns.waves) if (timeMs < oldestMs) old.add(message)
  return old
}
