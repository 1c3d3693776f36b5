// From refused messages to rows of the table: without what was erased, repeats folded, each payload sealed with the key of its tenant and day. Before the batch's
// transaction, because it may have to ask the database and the key service; without refused messages it asks nobody anything.
import { createHash } from 'node:crypto'
import { type QuarantineRow } from './batch.ts'
import { type Database } from './database.ts'
import { type DataKeys } from './keys/data-keys.ts'
import { withoutErasedBytes } from './quarantine-erased.ts'
import { keyedDigest, sealPayload } from './quarantine-seal.ts'

/** One row of the table. */
export interface SealedRow {
  readonly row: QuarantineRow
  /** Sealed. */
  readonly payload: Buffer
  /** Of the data key that sealed it. */
  readonly key: number
  readonly digest: Buffer
  /** As a row from before would have it. */
  readonly plainDigest: Buffer
  /** The erased times of its source that were taken into account. */
  readonly erasedBy: string
  readonly firstMs: number
  readonly lastMs: number
  readonly times: number
}

/** Folds and seals. Errors: see DataKeys.toSeal. */
export async function sealRows (database: Database, keys: DataKeys, refused: readonly QuarantineRow[]): Promise<SealedRow[]> {
  if (refused.length === 0) return []
  const { rows, by } = await withoutErasedBytes(database, refused)
  const digestKey = await keys.forDigests()
  const folded = fold(rows, (row) => keyedDigest(digestKey, row))
  const tenants = await tenantsOf(database, rows)
  const groups = new Map<string, { tenant: string, day: string, entries: Folded[] }>()
  for (const entry of folded) {
    const tenant = tenants(entry.row)
    const day = dayOf(entry.firstMs)
    const name = `${day} ${tenant}`
    const group = groups.get(name) ?? { tenant, day, entries: [] }
    groups.set(name, group)
    group.entries.push(entry)
  }
  const sealed = new Map<Folded, SealedRow>()
  for (const { tenant, day, entries } of groups.values()) {
    const data = await keys.toSeal(tenant, day, entries.length)
    for (const entry of entries) {
      const { row, digest } = entry
      const bound = { ...row, boot: row.boot?.toString() ?? null, seq: row.seq?.toString() ?? null, digest }
      const plainDigest = createHash('sha256').update(row.payload).digest()
      sealed.set(entry, { ...entry, key: data.id, payload: sealPayload(data, bound, row.payload), plainDigest, erasedBy: by(row) })
    }
  }
  return folded.map((entry) => sealed.get(entry) as SealedRow)
}

/** The UTC day of a time. */
export function dayOf (ms: number): string { return new Date(ms).toISOString().slice(0, 10) }

/**
 * Whose data a message is: the publisher's tenant, whom its certificate vouches for; the source's when the publisher has none (a shared
 * gateway); '' when neither has.
 */
export async function tenantsOf (database: Database, rows: ReadonlyArray<Pick<QuarantineRow, 'publisher' | 'source'>>): Promise<(row: Pick<QuarantineRow, 'publisher' | 'source'>) => string> {
  const ids = new Set(rows.flatMap(({ publisher, source }) => source === null ? [publisher] : [publisher, source]))
  const found = await database.query<{ id: string, tenant: string }>('SELECT id, tenant FROM device WHERE id = ANY($1::uuid[]) AND tenant IS NOT NULL', [[...ids]])
  const byId = new Map(found.rows.map(({ id, tenant }) => [id, tenant]))
  return ({ publisher, source }) => byId.get(publisher) ?? byId.get(source ?? '') ?? ''
}

interface Folded {
  readonly row: QuarantineRow
  readonly digest: Buffer
  firstMs: number
  lastMs: number
  times: number
}

/** One entry per row of the table; in the table's own order of locking, so that two workers cannot wait for each other. */
function fold (rows: readonly QuarantineRow[], digestOf: (row: QuarantineRow) => Buffer): Folded[] {
  const byKey = new Map<string, Folded>()
  for (const row of rows) {
    const digest = digestOf(row)
    const key = `${row.publisher} ${row.kind} ${row.reason} ${digest.toString('latin1')}`
    const known = byKey.get(key)
    if (known === undefined) {
      byKey.set(key, { row, digest, firstMs: row.receivedAtMs, lastMs: row.receivedAtMs, times: 1 })
    } else {
      known.times++
      known.firstMs = Math.min(known.firstMs, row.receivedAtMs)
      known.lastMs = Math.max(known.lastMs, row.receivedAtMs)
    }
  }
  return [...byKey.entries()].sort(([a], [b]) => a < b ? -1 : 1).map(([, entry]) => entry)
}
