// Destroying data keys: what they have sealed is unreadable from that moment on, here and in every backup that is younger than the master
// key's rotation or lies without the master key (docs/security/encryption.md says what an old backup of data_key means). Then the sealed
// payloads are emptied and their digests replaced by random bytes, so that a message that comes again makes a new row. Rows from before
// sealing are emptied too, and put under a key that was never there. Stopped in between, the same again goes on.
import { type Database } from '../database.ts'
import { Condition } from '../quarantine-filter.ts'

/** Which keys. Days are UTC, YYYY-MM-DD, both included; what is left out does not restrict. */
export type KeySelection =
  | { readonly kind: 'quarantine', readonly tenant?: string, readonly fromDay?: string, readonly toDay?: string }
  | { readonly kind: 'export', readonly id: string }
  /** Every key that this master key wraps: it is lost. */
  | { readonly kind: 'master', readonly id: string }

export interface KeyCount { readonly keys: number, readonly messages: number }

const pageRows = 1_000
const randomDigest = 'sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()))'

// rows from before sealing, as if they had a key: whose they are and of which day, by quarantine-prepare.ts's rule
const plainRows = `(SELECT q.id, 'quarantine' AS purpose, coalesce(p.tenant, s.tenant, '') AS tenant, (q.received_at AT TIME ZONE 'UTC')::date AS day
  FROM quarantine q LEFT JOIN device p ON p.id = q.publisher LEFT JOIN device s ON s.id = q.source WHERE q.key IS NULL AND q.reason <> 'erased')`

/** What `destroyKeys`, `emptyPayloads` and `emptyPlain` would destroy; messages that were left over when they were stopped too. */
export async function countKeys (database: Database, selection: KeySelection): Promise<KeyCount> {
  const { text, values } = conditionOf(selection)
  const { rows: [row] } = await database.query<{ keys: string, messages: string }>(`
    SELECT count(*) FILTER (WHERE destroyed_at IS NULL) AS keys,
      coalesce(sum((SELECT count(*) FROM quarantine q WHERE q.key = k.id AND (k.destroyed_at IS NULL OR octet_length(q.payload) > 0))), 0)
      ${selection.kind === 'quarantine' ? `+ (SELECT count(*) FROM ${plainRows} AS k WHERE ${text})` : ''} AS messages
    FROM data_key k WHERE ${text}`, values)
  return { keys: Number(row?.keys), messages: Number(row?.messages) }
}

/** Destroys; gives how many. From then on nothing opens. */
export async function destroyKeys (database: Database, selection: KeySelection): Promise<number> {
  const { text, values } = conditionOf(selection)
  const { rowCount } = await database.query(`UPDATE data_key AS k SET wrapped = NULL, destroyed_at = now() WHERE ${text} AND destroyed_at IS NULL`, values)
  return rowCount ?? 0
}

/** Empties the next payloads under destroyed keys of `selection`; 0: none is left. */
export async function emptyPayloads (database: Database, selection: KeySelection): Promise<number> {
  const { text, values } = conditionOf(selection)
  const { rowCount } = await database.query(`
    UPDATE quarantine SET payload = '', digest = ${randomDigest}
    WHERE id IN (SELECT q.id FROM data_key k JOIN quarantine q ON q.key = k.id WHERE ${text} AND k.destroyed_at IS NOT NULL AND octet_length(q.payload) > 0 LIMIT ${pageRows})`, values)
  return rowCount ?? 0
}

/** Empties the next rows of `selection` that are in the clear, from before sealing; 0: none is left. */
export async function emptyPlain (database: Database, selection: KeySelection): Promise<number> {
  if (selection.kind !== 'quarantine') return 0
  const { text, values } = conditionOf(selection)
  const { rowCount } = await database.query(`
    WITH picked AS (SELECT id, tenant, day FROM ${plainRows} AS k WHERE ${text} ORDER BY id LIMIT ${pageRows}),
    gone AS (INSERT INTO data_key (purpose, tenant, day, master, destroyed_at) SELECT DISTINCT 'quarantine', tenant, day, 'none', now() FROM picked RETURNING id, tenant, day)
    UPDATE quarantine q SET key = gone.id, bytes = coalesce(q.bytes, octet_length(q.payload)), payload = '', digest = ${randomDigest}
    FROM picked JOIN gone USING (tenant, day) WHERE q.id = picked.id AND q.key IS NULL`, values)
  return rowCount ?? 0
}

function conditionOf (selection: KeySelection): Condition {
  const condition = new Condition()
  if (selection.kind === 'export') return condition.and("k.purpose = 'export' AND k.id = (SELECT e.key FROM export e WHERE e.id = ?::uuid)", selection.id)
  if (selection.kind === 'master') return condition.and('k.master = ?', selection.id)
  condition.and("k.purpose = 'quarantine'")
  if (selection.tenant !== undefined) condition.and('k.tenant = ?', selection.tenant)
  if (selection.fromDay !== undefined) condition.and('k.day >= ?::date', selection.fromDay)
  if (selection.toDay !== undefined) condition.and('k.day <= ?::date', selection.toDay)
  return condition
}
