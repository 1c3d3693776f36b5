// Exports that hold what is erased: their keys are destroyed, so that the files are unreadable wherever they are. An export that was written
// in the clear is out of reach; it is told, so that whoever made it can delete it.
import { type Database } from './database.ts'
import { type Erasure } from './erase-plan.ts'

export interface ClearExport { readonly id: string, readonly madeAt: Date, readonly madeBy: string }

// $1 devices, $2 and $3 from when until when, by part; $4 names of the subject; $5 and $6 what was asked for. One that names the subject counts
// in all of the time that was asked for: it may be from when its assignments were others.
const meant = `(
  e.subjects && $4::text[] AND ${overlaps('$5::timestamptz', '$6::timestamptz')}
  OR EXISTS (SELECT FROM unnest($1::uuid[], $2::timestamptz[], $3::timestamptz[]) AS part (device, since, until)
    WHERE e.devices @> ARRAY[part.device] AND ${overlaps('part.since', 'part.until')}))`

function overlaps (since: string, until: string): string {
  return `coalesce(e.from_time, '-infinity') < coalesce(${until}, 'infinity') AND coalesce(e.to_time, e.made_at) > coalesce(${since}, '-infinity')`
}

function values ({ parts, target, tombstone, asked }: Erasure): unknown[] {
  const names = target.kind === 'subject' ? [target.id, tombstone] : []
  return [parts.map(({ device }) => device), parts.map(({ from }) => from), parts.map(({ to }) => to), names, asked.from, asked.to]
}

/** Gives how many exports became unreadable. */
export async function eraseExports (database: Database, erasure: Erasure): Promise<number> {
  const { rowCount } = await database.query(`
    UPDATE data_key k SET wrapped = NULL, destroyed_at = now() FROM export e
    WHERE e.key = k.id AND k.purpose = 'export' AND k.destroyed_at IS NULL AND ${meant}`, values(erasure))
  return rowCount ?? 0
}

/** Those that no key protects. */
export async function clearExports (database: Database, erasure: Erasure): Promise<ClearExport[]> {
  const { rows } = await database.query<ClearExport>(`
    SELECT e.id, e.made_at AS "madeAt", e.made_by AS "madeBy" FROM export e WHERE e.key IS NULL AND ${meant} ORDER BY e.made_at`, values(erasure))
  return rows
}
