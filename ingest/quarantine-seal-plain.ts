// Seals rows of quarantine from before sealing, which hold their payload in the clear. Takes their numbers, replaces payload and digest.
// Where the same message has a sealed row already (an older version was still writing), the two become one and `times` is their sum.
// May be interrupted at any moment, and run beside the worker and beside itself.
import { PulsegateError } from '../runtime/errors.ts'
import { type Client, type Database } from './database.ts'
import { type DataKeys } from './keys/data-keys.ts'
import { dayOf, tenantsOf } from './quarantine-prepare.ts'
import { holdKeys } from './quarantine-rows.ts'
import { keyedDigest, sealPayload } from './quarantine-seal.ts'

interface PlainRow {
  id: string
  publisher: string
  source: string | null
  boot: string | null
  seq: string | null
  kind: string
  reason: string
  payload: Buffer
  digest: Buffer
  received_at: Date
}

interface Sealed { readonly id: string, readonly old: Buffer, readonly key: number, readonly digest: Buffer, readonly payload: Buffer, readonly bytes: number }

export interface PlainSelection { readonly after: number, readonly rows: number } // a page
export interface SealedPage { readonly sealed: number, readonly lastId: number }

/** Seals the next `rows` rows after number `after`; null: there are none. Errors: see DataKeys.toSeal; KEY_DESTROYED passes. */
export async function sealPlainPage (database: Database, keys: DataKeys, { after, rows: limit }: PlainSelection): Promise<SealedPage | null> {
  const { rows } = await database.query<PlainRow>(`SELECT id, publisher, source, boot, seq, kind, reason, payload, digest, received_at FROM quarantine
    WHERE key IS NULL AND id > $1 ORDER BY id LIMIT $2`, [after, limit])
  const last = rows.at(-1)
  if (last === undefined) return null
  return { sealed: await sealPlain(database, keys, rows), lastId: Number(last.id) }
}

/** Seals those of `ids` that are in the clear; gives how many. */
export async function sealPlainOf (database: Database, keys: DataKeys, ids: readonly number[]): Promise<number> {
  const { rows } = await database.query<PlainRow>(`SELECT id, publisher, source, boot, seq, kind, reason, payload, digest, received_at FROM quarantine
    WHERE key IS NULL AND id = ANY($1::int8[]) ORDER BY id`, [ids])
  return sealPlain(database, keys, rows)
}

async function sealPlain (database: Database, keys: DataKeys, rows: readonly PlainRow[]): Promise<number> {
  if (rows.length === 0) return 0
  const digestKey = await keys.forDigests()
  const tenants = await tenantsOf(database, rows)
  const sealed: Sealed[] = []
  for (const row of rows) {
    const data = await keys.toSeal(tenants(row), dayOf(row.received_at.getTime()), 1)
    const digest = keyedDigest(digestKey, row)
    sealed.push({ id: row.id, old: row.digest, key: data.id, digest, payload: sealPayload(data, { ...row, digest }, row.payload), bytes: row.payload.length })
  }
  try {
    await database.transaction(async (client) => {
      await holdKeys(client, sealed)
      await replace(client, sealed)
    })
  } catch (error) {
    if (error instanceof PulsegateError && error.code === 'KEY_DESTROYED') keys.forget(sealed.map(({ key }) => key))
    throw error
  }
  return rows.length
}

async function replace (client: Client, sealed: readonly Sealed[]): Promise<void> {
  // by the old digest too: what was erased meanwhile is another row's content now, and stays erased
  const values = [sealed.map(({ id }) => id), sealed.map(({ digest }) => digest), sealed.map(({ old }) => old)]
  // the same message is there, sealed: its row counts for both
  await client.query(`WITH gone AS (
      DELETE FROM quarantine AS plain USING unnest($1::int8[], $2::bytea[], $3::bytea[]) AS s (id, digest, old)
      WHERE plain.id = s.id AND plain.digest = s.old AND plain.key IS NULL AND EXISTS (
        SELECT FROM quarantine o WHERE o.publisher = plain.publisher AND o.kind = plain.kind AND o.digest = s.digest AND o.reason = plain.reason AND o.key IS NOT NULL)
      RETURNING plain.publisher, plain.kind, s.digest, plain.reason, plain.times, plain.received_at, plain.last_received_at)
    UPDATE quarantine AS twin SET times = twin.times + gone.times, received_at = least(twin.received_at, gone.received_at),
      last_received_at = greatest(twin.last_received_at, gone.last_received_at)
    FROM gone WHERE twin.publisher = gone.publisher AND twin.kind = gone.kind AND twin.digest = gone.digest AND twin.reason = gone.reason`, values)
  await client.query(`UPDATE quarantine AS plain SET payload = s.payload, digest = s.digest, key = s.key, bytes = s.bytes
    FROM unnest($1::int8[], $2::bytea[], $3::bytea[], $4::bytea[], $5::int8[], $6::int4[]) AS s (id, digest, old, payload, key, bytes)
    WHERE plain.id = s.id AND plain.digest = s.old AND plain.key IS NULL`,
  [...values, sealed.map(({ payload }) => payload), sealed.map(({ key }) => key), sealed.map(({ bytes }) => bytes)])
}
