// Readings of a device or a subject in an interval, page by page in the order of time, day by day: memory here is one page, and the
// server sorts a day of a device at most. Of a subject only what was measured while a device was assigned to it.
import { PulsegateError } from '../../runtime/errors.ts'
import { type Client, type Database } from '../database.ts'
import { type Reading } from './formats.ts'

/** Half-open [fromMs, toMs), ms since 1970 UTC. */
export interface Interval { readonly fromMs: number, readonly toMs: number }
export type Whom = { readonly device: string } | { readonly subject: string }

/** A device and the part of the interval in which its readings are meant. */
export interface Piece extends Interval { readonly device: string, readonly key: number }

const pageRows = 2_000
const dayMs = 86_400_000

/** Where the readings of `whom` are. Errors: DEVICE_UNKNOWN, EXPORT_SUBJECT_UNKNOWN. */
export async function piecesOf (database: Database, whom: Whom, { fromMs, toMs }: Interval): Promise<Piece[]> {
  if ('device' in whom) {
    const { rows: [row] } = await database.query<{ key: number }>('SELECT key FROM device WHERE id = $1', [whom.device])
    if (row === undefined) throw new PulsegateError('DEVICE_UNKNOWN', `no device ${whom.device} is registered`)
    return [{ device: whom.device, key: row.key, fromMs, toMs }]
  }
  const { rows } = await database.query<{ device: string, key: number, from_ms: number | null, to_ms: number | null }>(`
    SELECT d.id AS device, d.key, extract(epoch FROM lower(a.period))::float8 * 1000 AS from_ms, extract(epoch FROM upper(a.period))::float8 * 1000 AS to_ms
    FROM assignment a JOIN device d ON d.key = a.device WHERE a.subject = $1 ORDER BY lower(a.period) NULLS FIRST, d.id`, [whom.subject])
  if (rows.length === 0) throw new PulsegateError('EXPORT_SUBJECT_UNKNOWN', 'no device was ever assigned to this subject')
  return rows.map(({ device, key, from_ms: from, to_ms: to }) => ({ device, key, fromMs: Math.max(fromMs, from ?? -Infinity), toMs: Math.min(toMs, to ?? Infinity) }))
    .filter((piece) => piece.fromMs < piece.toMs)
}

/** Calls `take` with each page; gives how many readings there were. Stops between pages when `signal` aborts. */
export async function readPieces (database: Database, pieces: readonly Piece[], take: (page: readonly Reading[]) => Promise<void>, signal: AbortSignal): Promise<number> {
  let readings = 0
  for (const piece of pieces) {
    for (let fromMs = piece.fromMs; fromMs < piece.toMs;) {
      const toMs = Math.min(piece.toMs, (Math.floor(fromMs / dayMs) + 1) * dayMs)
      const day = { ...piece, fromMs, toMs }
      readings += await database.transaction((client) => readDay(client, day, take, signal))
      fromMs = toMs
    }
  }
  return readings
}

async function readDay (client: Client, { key, fromMs, toMs }: Piece, take: (page: readonly Reading[]) => Promise<void>, signal: AbortSignal): Promise<number> {
  await client.query('SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY')
  // to_timestamp rounds to microseconds: exact for whole ms
  await client.query(`DECLARE readings NO SCROLL CURSOR FOR
    SELECT s.time, d.id AS device, m.name AS metric, s.value, m.unit, s.quality, m.mdc, m.loinc
    FROM sample s JOIN device d ON d.key = s.device JOIN metric m ON m.id = s.metric
    WHERE s.device = $1 AND s.time >= to_timestamp($2::float8 / 1000) AND s.time < to_timestamp($3::float8 / 1000)
    ORDER BY s.time, s.metric`, [key, fromMs, toMs])
  for (let readings = 0; ;) {
    signal.throwIfAborted()
    const { rows } = await client.query<Reading>(`FETCH ${pageRows} FROM readings`)
    if (rows.length > 0) await take(rows)
    readings += rows.length
    if (rows.length < pageRows) return readings
  }
}
