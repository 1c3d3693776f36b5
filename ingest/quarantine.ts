// The way into and out of quarantine for people: list, show, and replay, which sends the kept bytes through the same decoding,
// checks, placing and writing as a message from the broker, with the time of its first receipt. Runs as the owner. Replaying twice
// stores once: receipts decide, as for any redelivery.
import { type UplinkKind } from '../queue/queue.ts'
import { PulsegateError } from '../runtime/errors.ts'
import { type Origin, newProgress, outcome, type QuarantineRow } from './batch.ts'
import { type Database } from './database.ts'
import { Lookup } from './lookup.ts'
import { prepare } from './prepare.ts'
import { Writer } from './writer.ts'

export interface QuarantineFilter {
  readonly reason?: string
  readonly publisher?: string
  readonly sinceMs?: number
  /** Those that were replayed already are left out unless this is true. */
  readonly replayed?: boolean
  readonly limit?: number
}

export interface QuarantineEntry {
  readonly id: number
  readonly receivedAt: Date
  readonly lastReceivedAt: Date
  readonly publisher: string
  readonly source: string | null
  readonly boot: bigint | null
  readonly seq: number | null
  readonly kind: UplinkKind
  readonly reason: string
  readonly detail: string
  /** Payload length. */
  readonly bytes: number
  readonly times: number
  readonly replayedAt: Date | null
  readonly replayOutcome: string | null
}

export interface ReplayResult {
  readonly id: number
  /** `stored`, `duplicate`, or `quarantined: <reason>` when it still cannot be stored. */
  readonly outcome: string
}

interface Row {
  id: string,
  received_at: Date,
  last_received_at: Date,
  publisher: string,
  source: string | null,
  boot: string | null,
  seq: string | null
  kind: UplinkKind,
  reason: string,
  detail: string,
  bytes: number,
  times: number,
  replayed_at: Date | null,
  replay_outcome: string | null
}

const columns = `id, received_at, last_received_at, publisher, source, boot, seq, kind, reason, detail,
  octet_length(payload) AS bytes, times, replayed_at, replay_outcome`

const replayPage = 500

/** Newest first, 50 unless `limit` says otherwise. */
export async function listQuarantine (database: Database, filter: QuarantineFilter = {}): Promise<QuarantineEntry[]> {
  const { text, values } = where(filter)
  const { rows } = await database.query<Row>(`SELECT ${columns} FROM quarantine WHERE ${text} ORDER BY id DESC LIMIT $${values.length + 1}`, [...values, filter.limit ?? 50])
  return rows.map(entryOf)
}

/** One entry with its bytes. Error QUARANTINE_UNKNOWN. */
export async function showQuarantine (database: Database, id: number): Promise<QuarantineEntry & { readonly payload: Buffer }> {
  const { rows: [row] } = await database.query<Row & { payload: Buffer }>(`SELECT ${columns}, payload FROM quarantine WHERE id = $1`, [id])
  if (row === undefined) throw new PulsegateError('QUARANTINE_UNKNOWN', `nothing in quarantine has the number ${id}`)
  return { ...entryOf(row), payload: row.payload }
}

/** Replays `which`: these numbers, or everything the filter finds, oldest first. Gives what became of each. */
export async function * replayQuarantine (
  database: Database, which: { ids: readonly number[] } | { filter: QuarantineFilter }, { retentionMs }: { retentionMs: number }
): AsyncGenerator<ReplayResult> {
  const tools = { writer: new Writer(database), lookup: new Lookup(database), retentionMs }
  let after = 0
  for (;;) {
    const { text, values } = 'ids' in which ? { text: 'id = ANY($1::int8[])', values: [which.ids] } : where(which.filter)
    const { rows } = await database.query<Row & { payload: Buffer }>(
      `SELECT ${columns}, payload FROM quarantine WHERE ${text} AND id > $${values.length + 1} ORDER BY id LIMIT ${replayPage}`, [...values, after])
    if (rows.length === 0) return
    after = Number(rows.at(-1)?.id)
    const results = await replayRows(rows, tools)
    await database.query(`
      -- what was stored once stays marked so
      UPDATE quarantine SET replayed_at = CASE WHEN r.outcome IN ('stored', 'duplicate') THEN now() ELSE replayed_at END, replay_outcome = r.outcome
      FROM unnest($1::int8[], $2::text[]) AS r (id, outcome) WHERE quarantine.id = r.id AND quarantine.replayed_at IS NULL`,
    [results.map(({ id }) => id), results.map(({ outcome: became }) => became)])
    yield * results
  }
}

async function replayRows (
  rows: ReadonlyArray<Row & { payload: Buffer }>, { writer, lookup, retentionMs }: { writer: Writer, lookup: Lookup, retentionMs: number }
): Promise<ReplayResult[]> {
  const envelopes = rows.map(({ publisher, kind, payload, received_at: receivedAt }) =>
    ({ publisher, kind, payload, receivedAtMs: receivedAt.getTime(), settle () {} }))
  const batch = await prepare(envelopes, { lookup, retentionMs })
  const progress = newProgress(batch)
  // what is still refused is in quarantine already: it must not count as another delivery
  await writer.write({ ...batch, quarantined: [] }, progress)
  const became = new Map<Buffer, string>()
  const refused = (row: QuarantineRow): void => { became.set(row.payload, `quarantined: ${row.reason}`) }
  batch.quarantined.forEach(refused)
  batch.origins.forEach(({ envelope }: Origin, i) => {
    became.set(envelope.payload, progress.outcomes[i] === outcome.stored ? 'stored' : 'duplicate')
  })
  progress.quarantined.forEach(refused)
  return rows.map(({ id, payload }) => ({ id: Number(id), outcome: became.get(payload) ?? 'quarantined: unknown' }))
}

function where ({ reason, publisher, sinceMs, replayed = false }: QuarantineFilter): { text: string, values: unknown[] } {
  const values: unknown[] = []
  const parts = [replayed ? 'true' : 'replayed_at IS NULL']
  const add = (condition: string, value: unknown): void => { parts.push(condition.replace('?', `$${values.push(value)}`)) }
  if (reason !== undefined) add('reason = ?', reason)
  if (publisher !== undefined) add('publisher = ?', publisher)
  if (sinceMs !== undefined) add('last_received_at >= to_timestamp(?::float8 / 1000)', sinceMs)
  return { text: parts.join(' AND '), values }
}

function entryOf (row: Row): QuarantineEntry {
  return {
    id: Number(row.id),
    receivedAt: row.received_at,
    lastReceivedAt: row.last_received_at,
    publisher: row.publisher,
    source: row.source,
    boot: row.boot === null ? null : BigInt(row.boot),
    seq: row.seq === null ? null : Number(row.seq),
    kind: row.kind,
    reason: row.reason,
    detail: row.detail,
    bytes: row.bytes,
    times: row.times,
    replayedAt: row.replayed_at,
    replayOutcome: row.replay_outcome
  }
}
