// Looking into quarantine: list, count, show. Runs as the owner. Payloads are opened only by `showQuarantine`, one at a time:
// they may hold a patient's values. What puts messages back on their way is quarantine-replay.ts.
import { type UplinkKind } from '../queue/queue.ts'
import { PulsegateError } from '../runtime/errors.ts'
import { type Database } from './database.ts'
import { type DataKeys } from './keys/data-keys.ts'
import { conditionOf, type QuarantineFilter } from './quarantine-filter.ts'
import { openRow, type SealedColumns } from './quarantine-open.ts'

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
  /** Length of what was sent. */
  readonly bytes: number
  readonly times: number
  readonly replayedAt: Date | null
  /** Of the last replay: `stored`, `duplicate`, or `quarantined: <reason>`. */
  readonly replayOutcome: string | null
}

export interface ListOptions extends QuarantineFilter {
  /** Those that were replayed already are left out unless this is true. */
  readonly replayed?: boolean
  /** Only numbers below this: the last one of the page before. */
  readonly before?: number
  /** Default 50. */
  readonly limit?: number
}

export interface ReasonCount { readonly reason: string, readonly messages: number }

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
  coalesce(bytes, octet_length(payload)) AS bytes, times, replayed_at, replay_outcome`

/** Newest first. */
export async function listQuarantine (database: Database, options: ListOptions = {}): Promise<QuarantineEntry[]> {
  const { before, limit = 50, replayed = false } = options
  const condition = conditionOf(options, { replayed })
  if (before !== undefined) condition.and('id < ?', before)
  const { text } = condition
  const { rows } = await database.query<Row>(
    `SELECT ${columns} FROM quarantine WHERE ${text} ORDER BY id DESC LIMIT ${condition.parameter(limit)}`, condition.values)
  return rows.map(entryOf)
}

/** How many messages wait, by reason, most first. Without a filter an index alone answers (schemas/sql/0008). */
export async function countQuarantine (database: Database, filter: QuarantineFilter = {}): Promise<ReasonCount[]> {
  const { text, values } = conditionOf(filter)
  const { rows } = await database.query<{ reason: string, messages: string }>(
    `SELECT reason, count(*) AS messages FROM quarantine WHERE ${text} GROUP BY reason ORDER BY messages DESC, reason`, values)
  return rows.map(({ reason, messages }) => ({ reason, messages: Number(messages) }))
}

/** One entry with its bytes. Errors: QUARANTINE_UNKNOWN, and of DataKeys.toOpen: KEY_DESTROYED, KEY_UNAVAILABLE, SEALED_DATA_DAMAGED … */
export async function showQuarantine (database: Database, keys: DataKeys, id: number): Promise<QuarantineEntry & { readonly payload: Buffer }> {
  const { rows: [row] } = await database.query<Row & SealedColumns>(`SELECT ${columns}, payload, digest, key FROM quarantine WHERE id = $1`, [id])
  if (row === undefined) throw new PulsegateError('QUARANTINE_UNKNOWN', `nothing in quarantine has the number ${id}`)
  const opened = await openRow(keys, row)
  if ('fault' in opened) throw opened.fault
  return { ...entryOf(row), payload: opened.payload }
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
