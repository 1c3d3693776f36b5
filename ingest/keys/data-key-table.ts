// The rows of data_key: finding, reserving, making. Takes a database, gives wrapped keys; knows no key in the clear.
import { type Database } from '../database.ts'
import { type KeyContext, type WrappedKey } from './key-service.ts'

export interface StoredKey extends WrappedKey, KeyContext { readonly id: number }

interface Row { id: string, purpose: KeyContext['purpose'], tenant: string, day: string | null, master: string, wrapped: Buffer | null }

const columns = 'id, purpose, tenant, day::text, master, wrapped'

export interface Reservation {
  readonly tenant: string
  readonly day: string
  /** Only a key wrapped by this master key: it can be opened here for certain. */
  readonly master: string
  readonly messages: number
  /** How many messages a key may seal at most. */
  readonly bound: number
}

const reserve = `UPDATE data_key SET messages = messages + $4 WHERE id = (
    SELECT id FROM data_key WHERE purpose = 'quarantine' AND destroyed_at IS NULL AND tenant = $1 AND day = $2::date AND master = $3 AND messages + $4 <= $5
    ORDER BY id LIMIT 1 FOR UPDATE)
  RETURNING ${columns}`

/** A key of the tenant and day with room for so many messages, which are counted; null when there is none. */
export async function reserveKey (database: Pick<Database, 'query'>, { tenant, day, master, messages, bound }: Reservation): Promise<StoredKey | null> {
  const { rows: [row] } = await database.query<Row>(reserve, [tenant, day, master, messages, bound])
  return row === undefined ? null : storedKey(row)
}

/** More of the same key; false when it is full or destroyed. */
export async function reserveMore (database: Database, id: number, { messages, bound }: Pick<Reservation, 'messages' | 'bound'>): Promise<boolean> {
  const { rowCount } = await database.query('UPDATE data_key SET messages = messages + $2 WHERE id = $1 AND destroyed_at IS NULL AND messages + $2 <= $3', [id, messages, bound])
  return rowCount === 1
}

/** The new key, unless another process has made one in the meantime: then that. */
export async function insertQuarantineKey (database: Database, key: WrappedKey, reservation: Reservation): Promise<{ stored: StoredKey, made: boolean }> {
  const { tenant, day, messages } = reservation
  return database.transaction(async (client) => {
    await client.query("SELECT pg_advisory_xact_lock(hashtext('pulsegate data key'), hashtext($1))", [`${tenant} ${day}`])
    const { rows: [found] } = await client.query<Row>(reserve, [tenant, day, reservation.master, messages, reservation.bound])
    if (found !== undefined) return { stored: storedKey(found), made: false }
    const { rows } = await client.query<Row>(`INSERT INTO data_key (purpose, tenant, day, master, wrapped, messages) VALUES ('quarantine', $1, $2::date, $3, $4, $5) RETURNING ${columns}`,
      [tenant, day, key.master, key.wrapped, messages])
    return { stored: storedKey(rows[0] as Row), made: true }
  })
}

/** The key that digests are made with; null when there is none yet. */
export async function digestKey (database: Database): Promise<StoredKey | null> {
  const { rows: [row] } = await database.query<Row>(`SELECT ${columns} FROM data_key WHERE purpose = 'digest' AND destroyed_at IS NULL`)
  return row === undefined ? null : storedKey(row)
}

export async function insertDigestKey (database: Database, key: WrappedKey): Promise<boolean> {
  const { rowCount } = await database.query(`INSERT INTO data_key (purpose, master, wrapped) VALUES ('digest', $1, $2)
    ON CONFLICT (purpose) WHERE purpose = 'digest' AND destroyed_at IS NULL DO NOTHING`, [key.master, key.wrapped])
  return rowCount === 1
}

export async function insertExportKey (database: Database, key: WrappedKey): Promise<number> {
  const { rows } = await database.query<{ id: string }>("INSERT INTO data_key (purpose, master, wrapped) VALUES ('export', $1, $2) RETURNING id", [key.master, key.wrapped])
  return Number(rows[0]?.id)
}

export type FoundKey = StoredKey | { readonly id: number, readonly destroyed: true }

/** Null: no such key. */
export async function findKey (database: Database, id: number): Promise<FoundKey | null> {
  const { rows: [row] } = await database.query<Row>(`SELECT ${columns} FROM data_key WHERE id = $1`, [id])
  if (row === undefined) return null
  return row.wrapped === null ? { id, destroyed: true } : storedKey(row)
}

function storedKey ({ id, purpose, tenant, day, master, wrapped }: Row): StoredKey {
  return { id: Number(id), purpose, tenant, day, master, wrapped: wrapped ?? Buffer.alloc(0) }
}
