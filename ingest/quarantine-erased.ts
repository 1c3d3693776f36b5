// Messages that go to quarantine, or are in it, and the times of their source that were erased. A message there has no time of its own: it
// is read to learn one, and when that cannot be, the time of its receipt counts. Takes what is to be written, gives the same with only its
// identity in the place of the bytes of whatever an erasure is about. Asked of the database each time, right before writing and again
// within the transaction (`holdErasures`), so nothing that was prepared before an erasure comes after it.
import { type ClientBase } from 'pg'
import { PulsegateError } from '../runtime/errors.ts'
import { decodeMessage } from '../schemas/decode.ts'
import { type Message } from '../schemas/telemetry.ts'
import { type QuarantineRow } from './batch.ts'
import { type Database } from './database.ts'
import { type ErasedColumn, erasedColumn, erasedOf, withoutErased } from './erased.ts'
import { isIn, type Period } from './period.ts'
import { baseTimeMs } from './place.ts'

/** What of a message says what time it is about. */
export interface Sent {
  readonly kind: string
  readonly reason: string
  readonly payload: Buffer
  readonly receivedAtMs: number
  /** Of its boot, as far as that is known. */
  readonly anchorMs: number | undefined
}

/** Does it carry anything of these times? Also a birth, and a message without values, by their base time. */
export function isOfErased ({ kind, reason, payload, receivedAtMs, anchorMs }: Sent, erased: readonly Period[]): boolean {
  // poison has brought down whoever read it
  const message = reason !== 'poison' && (kind === 'telemetry' || kind === 'birth') ? decoded(kind, payload) : null
  if (message === null) return isIn(erased, receivedAtMs)
  // a boot that was never placed would begin with this message
  const baseMs = baseTimeMs(message.header, anchorMs ?? receivedAtMs - message.header.baseTickMs)
  const empty = message.kind === 'birth' || message.samples.length + message.waves.length === 0
  return empty ? isIn(erased, baseMs) : withoutErased(message, baseMs, erased).left > 0
}

function decoded (kind: 'telemetry' | 'birth', payload: Buffer): Message | null {
  try {
    const result = decodeMessage(kind, payload)
    return result.ok ? result.message : null
  } catch { // a bug of the decoder, told of where the message came in
    return null
  }
}

/** The device whose erased times count for a row: bytes that name no source are their publisher's. */
export function sourceOf ({ source, publisher }: Pick<QuarantineRow, 'source' | 'publisher'>): string { return source ?? publisher }

interface Asks { query (text: string, values: unknown[]): Promise<{ rows: unknown[] }> }

/** As the database says it, by device; those of which nothing was erased left out. */
type Erased = ReadonlyMap<string, NonNullable<ErasedColumn['erased']>>

async function erasedNow (database: Asks, rows: ReadonlyArray<Pick<QuarantineRow, 'source' | 'publisher'>>): Promise<Erased> {
  const { rows: found } = await database.query(
    `SELECT id, ${erasedColumn} FROM device WHERE id = ANY($1::uuid[]) AND erased IS NOT NULL`, [[...new Set(rows.map(sourceOf))]])
  return new Map((found as Array<{ id: string } & ErasedColumn>).map(({ id, erased }) => [id, erased ?? []]))
}

/** The rows as they may be written, and for each the erased times by which that was decided. */
export async function withoutErasedBytes (database: Database, rows: readonly QuarantineRow[]): Promise<{ readonly rows: readonly QuarantineRow[], readonly by: (row: QuarantineRow) => string }> {
  const erased = await erasedNow(database, rows)
  const by = (row: QuarantineRow): string => nameOf(erased, row)
  if (erased.size === 0) return { rows, by }
  const meant = await whichErased(database, rows, erased)
  return { rows: rows.map((row, i) => meant[i] === true ? withoutBytes(row) : row), by }
}

/** Of each row, whether it is about an erased time. */
export async function whichErased (database: Database, rows: ReadonlyArray<Omit<QuarantineRow, 'seq' | 'detail' | 'reason'> & { readonly reason: string }>, known?: Erased): Promise<boolean[]> {
  const erased = known ?? await erasedNow(database, rows)
  const touched = rows.filter((row) => erased.has(sourceOf(row)))
  if (touched.length === 0) return rows.map(() => false)
  const anchors = await anchorsOf(database, touched)
  return rows.map((row) => {
    const { erased: periods } = erasedOf(erased.get(sourceOf(row)) ?? null)
    return periods !== undefined && isOfErased({ ...row, anchorMs: anchors.get(`${sourceOf(row)} ${row.boot ?? ''}`) }, periods)
  })
}

async function anchorsOf (database: Database, rows: ReadonlyArray<Pick<QuarantineRow, 'source' | 'publisher' | 'boot'>>): Promise<ReadonlyMap<string, number>> {
  const { rows: found } = await database.query<{ id: string, boot: string, anchor: Date }>(`
    SELECT d.id, b.boot::text, b.anchor FROM (SELECT DISTINCT * FROM unnest($1::uuid[], $2::numeric[]) AS u (id, boot)) AS wanted
    JOIN device d USING (id) JOIN device_boot b ON b.device = d.key AND b.boot = wanted.boot`,
  [rows.map(sourceOf), rows.map(({ boot }) => boot?.toString() ?? null)])
  return new Map(found.map(({ id, boot, anchor }) => [`${id} ${boot}`, anchor.getTime()]))
}

/** The row without the message's bytes: in their place its identity, so that a resend is still known as the same. */
function withoutBytes (row: QuarantineRow): QuarantineRow {
  const { publisher, source, boot, seq, receivedAtMs } = row
  const identity = boot === null ? `${publisher} received ${receivedAtMs}` : `${source ?? publisher} boot ${boot} seq ${seq ?? ''}`
  return { ...row, reason: 'erased', detail: '', payload: Buffer.from(`erased: ${identity}`) }
}

/** Shared by those that write to quarantine; who begins an erasure takes it alone, and so waits for them (erase-plan.ts). */
export const erasureLock = 7_040_005

/** Until the transaction ends no erasure begins. Error ERASURE_BEGUN: one has begun since it was decided how these rows are written; deciding anew takes it into account. */
export async function holdErasures (client: ClientBase, rows: ReadonlyArray<{ readonly row: QuarantineRow, readonly erasedBy: string }>): Promise<void> {
  await client.query('SELECT pg_advisory_xact_lock_shared($1)', [erasureLock])
  const erased = await erasedNow(client, rows.map(({ row }) => row))
  if (rows.some(({ row, erasedBy }) => nameOf(erased, row) !== erasedBy)) {
    throw new PulsegateError('ERASURE_BEGUN', 'an erasure began while messages were on their way to quarantine; they are looked at again')
  }
}

/** The same for the same times. */
function nameOf (erased: Erased, row: Pick<QuarantineRow, 'source' | 'publisher'>): string { return JSON.stringify(erased.get(sourceOf(row)) ?? null) }
