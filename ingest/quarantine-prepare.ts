// From refused messages to rows of the table: without what was erased, repeats folded, each payload sealed with the key of its tenant and day. Before the batch's
// transaction, because it may have to ask the database and the key service; without refused messages it asks nobody anything.
import { createHash } from 'node:crypto'
import { type QuarantineRow } from './batch.ts'
import { type Database } from './database.ts'
import { PulsegateError } from '../runtime/errors.ts'
import { type DataKeys, type SealingKeys } from './keys/data-keys.ts'
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

/** What could be sealed: of which rows, as the table takes them; and why not the others, null when there are none. */
export interface Sealed { readonly rows: readonly QuarantineRow[], readonly sealed: readonly SealedRow[], readonly fault: PulsegateError | null }

// a service that says no at once is asked for each tenant and day; one that does not answer is not waited for so often
const askForMs = 2_000

/**
 * Folds and seals, each tenant and day by itself: one whose key cannot be had holds up no other. Errors: the database's; without the key
 * of the digests, see DataKeys.forDigests. `memoryOnly`: the key service is asked nothing.
 */
export async function sealRows (database: Database, dataKeys: DataKeys, refused: readonly QuarantineRow[], memoryOnly = false): Promise<Sealed> {
  if (refused.length === 0) return { rows: [], sealed: [], fault: null }
  let keys: SealingKeys = memoryOnly ? dataKeys.fromMemory : dataKeys
  const askUntil = performance.now() + askForMs
  const { rows, by } = await withoutErasedBytes(database, refused)
  const digestKey = await keys.forDigests()
  const folded = fold(rows, refused, (row) => keyedDigest(digestKey, row))
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
  let fault: PulsegateError | null = null
  for (const { tenant, day, entries } of groups.values()) {
    const data = await keys.toSeal(tenant, day, entries.length).catch((error: unknown) => {
      if (!(error instanceof PulsegateError)) throw error
      fault ??= error
      return null
    })
    if (data === null) {
      if (performance.now() > askUntil) keys = dataKeys.fromMemory
      continue
    }
    for (const entry of entries) {
      const { row, digest, firstMs, lastMs, times } = entry
      const bound = { ...row, boot: row.boot?.toString() ?? null, seq: row.seq?.toString() ?? null, digest }
      const plainDigest = createHash('sha256').update(row.payload).digest()
      sealed.set(entry, { row, digest, firstMs, lastMs, times, key: data.id, payload: sealPayload(data, bound, row.payload), plainDigest, erasedBy: by(row) })
    }
  }
  const done = folded.filter((entry) => sealed.has(entry))
  return { rows: done.flatMap(({ of }) => of), sealed: done.map((entry) => sealed.get(entry) as SealedRow), fault }
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
  /** The rows that are folded here, as they were given. */
  readonly of: QuarantineRow[]
  readonly digest: Buffer
  firstMs: number
  lastMs: number
  times: number
}

/** One entry per row of the table; in the table's own order of locking, so that two workers cannot wait for each other. */
function fold (rows: readonly QuarantineRow[], given: readonly QuarantineRow[], digestOf: (row: QuarantineRow) => Buffer): Folded[] {
  const byKey = new Map<string, Folded>()
  for (const [i, row] of rows.entries()) {
    const original = given[i] as QuarantineRow
    const digest = digestOf(row)
    const key = `${row.publisher} ${row.kind} ${row.reason} ${digest.toString('latin1')}`
    const known = byKey.get(key)
    if (known === undefined) {
      byKey.set(key, { row, of: [original], digest, firstMs: row.receivedAtMs, lastMs: row.receivedAtMs, times: 1 })
    } else {
      known.times++
      known.of.push(original)
      known.firstMs = Math.min(known.firstMs, row.receivedAtMs)
      known.lastMs = Math.max(known.lastMs, row.receivedAtMs)
    }
  }
  return [...byKey.entries()].sort(([a], [b]) => a < b ? -1 : 1).map(([, entry]) => entry)
}
