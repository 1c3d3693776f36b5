// Looks for what was erased in every table there is, by the names of its columns, so that a table of tomorrow is not forgotten. Gives what
// remains, and why it may. Values that remain in the time that was erased are the fault of an erasure, and told as such.
import { type Database } from './database.ts'
import { type Erasure } from './erase-plan.ts'

export interface Remaining {
  readonly table: string
  readonly column: string
  readonly rows: number
  /** Why it stays; null: it should not. */
  readonly why: string | null
}

// of these nothing may remain in the erased time
const values = new Set(['sample', 'wave', 'sample_1m', 'sample_1h'])
// and these know the device or subject for a reason
const reasons: Readonly<Record<string, string>> = {
  device: 'the registry: state, kind and serial number; retire the device to end its life',
  device_boot: 'when the device was started: what makes a message that is sent again known',
  device_state_history: 'the registry: who may publish, and when',
  receipt: 'that a message was stored, and when; no value. It keeps the message from being stored again',
  quarantine: 'that a message came in, without its bytes; or of a time that was not erased',
  pairing: 'which gateway spoke for which sensor',
  assignment: 'which device measured whom, and when; the subject is a tombstone once it was erased itself',
  tenancy: 'which tenant the device belonged to',
  export: 'that an export was made, by whom, of which devices; its key is destroyed',
  erasure: 'this erasure',
  erasure_part: 'this erasure: the times that are kept free of values',
  erased_rows: 'how many rows erasures took away',
  rollup_mark: 'minutes whose rollups are about to be made again; gone in a moment',
  audit: 'who did what, and when; never a value. The trail cannot be changed',
  audit_trail: 'the same, as auditors see it'
}

interface Column { table: string, column: string, type: string, time: boolean }

/** Every column of our schema that could name a device or a subject, with how many rows do. Ask for a subject by its own name. */
export async function searchRemains (database: Database, erasure: Erasure): Promise<Remaining[]> {
  const { rows: columns } = await database.query<Column>(`
    SELECT c.relname AS table, a.attname AS column, format_type(a.atttypid, NULL) AS type,
      EXISTS (SELECT FROM pg_attribute t WHERE t.attrelid = c.oid AND t.attname = 'time') AS time
    FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition AND a.attnum > 0 AND NOT a.attisdropped
      AND (a.attname IN ('device', 'devices', 'publisher', 'source', 'gateway', 'sensor', 'subject', 'subjects', 'entity', 'target')
        OR c.relname = 'device' AND a.attname = 'id')
    ORDER BY 1, 2`)
  const found: Remaining[] = []
  for (const column of columns) {
    const rows = await count(database, column, erasure)
    if (rows > 0) found.push({ table: column.table, column: column.column, rows, why: values.has(column.table) ? null : reasons[column.table] ?? 'a table that erasure does not know: look at it' })
  }
  return found
}

/** Of a table of values: rows in the erased times. Of another: rows that name the target. */
async function count (database: Database, { table, column, type }: Column, { target, parts }: Erasure): Promise<number> {
  if (values.has(table)) {
    // a bucket that reaches over the end of the time holds what comes after it
    const edge = table === 'sample_1m' ? "date_trunc('minute', p.until)" : table === 'sample_1h' ? "date_trunc('hour', p.until)" : 'p.until'
    return ask(database, `
      SELECT count(*) AS n FROM unnest($1::int4[], $2::timestamptz[], $3::timestamptz[]) AS p (device, since, until)
      JOIN ${table} v ON v.device = p.device AND v.time >= coalesce(p.since, '-infinity') AND v.time < ${edge}`,
    [parts.map(({ key }) => key), parts.map(({ from }) => from), parts.map(({ to }) => to)])
  }
  const name = `"${column}"`
  if (type === 'integer') return target.kind === 'device' ? ask(database, `SELECT count(*) AS n FROM ${table} WHERE ${name} = (SELECT key FROM device WHERE id = $1)`, [target.id]) : 0
  if (type === 'integer[]') return target.kind === 'device' ? ask(database, `SELECT count(*) AS n FROM ${table} WHERE ${name} @> ARRAY[(SELECT key FROM device WHERE id = $1)]`, [target.id]) : 0
  if (type === 'uuid' || type === 'uuid[]') {
    return target.kind === 'device' ? ask(database, `SELECT count(*) AS n FROM ${table} WHERE ${type === 'uuid' ? `${name} = $1` : `${name} @> ARRAY[$1::uuid]`}`, [target.id]) : 0
  }
  if (type === 'text[]') return ask(database, `SELECT count(*) AS n FROM ${table} WHERE ${name} @> ARRAY[$1::text]`, [target.id])
  return type === 'text' ? ask(database, `SELECT count(*) AS n FROM ${table} WHERE ${name} = $1`, [target.id]) : 0
}

async function ask (database: Database, text: string, parameters: unknown[]): Promise<number> {
  const { rows: [row] } = await database.query<{ n: string }>(text, parameters)
  return Number(row?.n)
}
