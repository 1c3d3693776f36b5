// Looking at the keys: which there are, what wraps them, what became of them. Never a key, wrapped or not.
import { type Database } from '../database.ts'
import { type KeyContext } from './key-service.ts'

export interface KeyEntry extends KeyContext {
  readonly id: number
  readonly master: string
  /** How many messages it may have sealed at most. */
  readonly messages: number
  readonly createdAt: Date
  readonly rotatedAt: Date | null
  readonly destroyedAt: Date | null
  /** Of a key of purpose export. */
  readonly exportId: string | null
}

interface Row { id: string, purpose: KeyContext['purpose'], tenant: string, day: string | null, master: string, messages: string, created_at: Date, rotated_at: Date | null, destroyed_at: Date | null, export_id: string | null }

/** Newest first; `before` is the last number of the page before. */
export async function listKeys (database: Database, { limit, before }: { readonly limit: number, readonly before?: number }): Promise<KeyEntry[]> {
  const { rows } = await database.query<Row>(`SELECT k.id, k.purpose, k.tenant, k.day::text, k.master, k.messages, k.created_at, k.rotated_at, k.destroyed_at, e.id AS export_id
    FROM data_key k LEFT JOIN export e ON e.key = k.id WHERE $2::int8 IS NULL OR k.id < $2 ORDER BY k.id DESC LIMIT $1`, [limit, before ?? null])
  return rows.map((row) => ({
    id: Number(row.id),
    purpose: row.purpose,
    tenant: row.tenant,
    day: row.day,
    master: row.master,
    messages: Number(row.messages),
    createdAt: row.created_at,
    rotatedAt: row.rotated_at,
    destroyedAt: row.destroyed_at,
    exportId: row.export_id
  }))
}

/** How many rows of quarantine are in the clear: from before sealing. What was erased has nothing left to seal. */
export async function countPlain (database: Database): Promise<number> {
  const { rows: [row] } = await database.query<{ n: string }>('SELECT count(*) AS n FROM quarantine WHERE key IS NULL AND reason <> \'erased\'')
  return Number(row?.n)
}
