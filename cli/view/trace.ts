// One patient's signal, read back from the database through the reader's views: what the plot shows has been stored.
import { type Database } from '../../ingest/database.ts'
import { type Trace } from './snapshot.ts'

const shownMs = 4_000

/** The newest seconds of the device's ECG lead; null while nothing is stored. */
export async function readEcg (database: Database, device: string): Promise<Trace | null> {
  const { rows } = await database.query<{ value: number }>(`
    WITH newest AS (
      SELECT max(end_time) AS at FROM wave_block
      WHERE device = $1 AND metric = 'ecg-lead-ii' AND time > now() - INTERVAL '1 minute')
    SELECT v.value FROM newest, wave_values($1, 'ecg-lead-ii', newest.at - $2::int4 * INTERVAL '1 millisecond', newest.at) AS v
    ORDER BY v.time`, [device, shownMs])
  if (rows.length < 2) return null
  return { title: 'ECG lead II of one patient', unit: 'uV', values: rows.map(({ value }) => value) }
}

/** What the database takes on disk, bytes. */
export async function readDatabaseBytes (database: Database): Promise<number> {
  const { rows } = await database.query<{ bytes: string }>('SELECT pg_database_size(current_database()) AS bytes')
  return Number(rows[0]?.bytes ?? 0)
}
