// Exports that hold what is erased: their keys are destroyed, so that the files are unreadable wherever they are. An export that was written
// in the clear is out of reach; it is told, so that whoever made it can delete it.
import { type Database } from './database.ts'
import { type Erasure } from './erase-plan.ts'

export interface ClearExport { readonly id: string, readonly madeAt: Date, readonly madeBy: string }

// $1 devices, $2 subject, $3 and $4 from when until when, by part
const meant = `(e.subjects @> ARRAY[$2::text] OR EXISTS (
  SELECT FROM unnest($1::uuid[], $3::timestamptz[], $4::timestamptz[]) AS part (device, since, until)
  WHERE e.devices @> ARRAY[part.device] AND coalesce(e.from_time, '-infinity') < part.until AND coalesce(e.to_time, e.made_at) > coalesce(part.since, '-infinity')))`

function values ({ parts, target }: Erasure): unknown[] {
  return [parts.map(({ device }) => device), target.kind === 'subject' ? target.id : null, parts.map(({ from }) => from), parts.map(({ to }) => to)]
}

/** Gives how many exports became unreadable. */
export async function eraseExports (database: Database, erasure: Erasure): Promise<number> {
  const { rowCount } = await database.query(`
    UPDATE data_key k SET wrapped = NULL, destroyed_at = now() FROM export e
    WHERE e.key = k.id AND k.purpose = 'export' AND k.destroyed_at IS NULL AND ${meant}`, values(erasure))
  return rowCount ?? 0
}

/** Those that no key protects. Ask before the subject's name is gone. */
export async function clearExports (database: Database, erasure: Erasure): Promise<ClearExport[]> {
  const { rows } = await database.query<ClearExport>(`
    SELECT e.id, e.made_at AS "madeAt", e.made_by AS "madeBy" FROM export e WHERE e.key IS NULL AND ${meant} ORDER BY e.made_at`, values(erasure))
  return rows
}
