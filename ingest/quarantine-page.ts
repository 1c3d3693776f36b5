// A replay's pages: read in the order of their numbers, bounded in rows and in bytes, opened, and marked with what became of them.
// Marking is apart from storing: a process killed in between leaves rows unmarked that are stored, and the next replay finds
// their receipts. A row is never marked before its receipt is there.
import { type UplinkKind } from '../queue/queue.ts'
import { type Client, type Database } from './database.ts'
import { type DataKeys } from './keys/data-keys.ts'
import { conditionOfSelection, type Selection } from './quarantine-filter.ts'
import { whichErased } from './quarantine-erased.ts'
import { openFaults, openRow, type SealedColumns } from './quarantine-open.ts'

/** A message as quarantine holds it. */
export interface Held {
  readonly id: number
  readonly publisher: string
  readonly kind: UplinkKind
  readonly receivedAtMs: number
  readonly payload: Buffer
}

export interface PageBounds {
  readonly rows: number
  /** Payload bytes; the message that crosses the bound is the page's last. */
  readonly bytes: number
}

/** What became of a message, and its header as far as it could be read now. */
export interface Verdict {
  readonly id: number
  readonly outcome: 'stored' | 'duplicate' | 'quarantined'
  /** Why it stays in quarantine; null when it does not. */
  readonly reason: string | null
  readonly source: string | null
  readonly boot: bigint | null
  readonly seq: number | null
  /** The database refused it just now, and the writer has put it in quarantine for that. */
  readonly refused: boolean
}

/** A page: the messages that could be opened, and a verdict on those that could not. */
export interface Page { readonly held: readonly Held[], readonly unopened: readonly Verdict[] }

export type Row = SealedColumns & { id: string, kind: UplinkKind, received_at: Date }

/** The next messages of `selection` after number `after`, up to number `upTo`. Empty: that was all. */
export async function readPage (database: Database, selection: Selection, { after, upTo, bounds }: { after: number, upTo: number, bounds: PageBounds }): Promise<Row[]> {
  const condition = conditionOfSelection(selection, { after, upTo })
  const { text } = condition
  const columns = 'id, received_at, publisher, source, boot, seq, kind, reason, payload, digest, key'
  const { rows } = await database.query<Row>(`
    SELECT ${columns} FROM (
      SELECT *, sum(octet_length(payload)) OVER (ORDER BY id) - octet_length(payload) AS bytes_before FROM (
        SELECT ${columns} FROM quarantine WHERE ${text} ORDER BY id LIMIT ${condition.parameter(bounds.rows)}
      ) AS next
    ) AS page WHERE bytes_before < ${condition.parameter(bounds.bytes)} ORDER BY id`, condition.values)
  return rows
}

/** Errors: see openRow. */
export async function openPage (keys: DataKeys, rows: readonly Row[]): Promise<Page> {
  const held: Held[] = []
  const unopened: Verdict[] = []
  for (const row of rows) {
    const id = Number(row.id)
    const opened = await openRow(keys, row)
    if ('payload' in opened) held.push({ id, publisher: row.publisher, kind: row.kind, receivedAtMs: row.received_at.getTime(), payload: opened.payload })
    else unopened.push({ id, outcome: 'quarantined', reason: openFaults[opened.fault.code] ?? 'damaged', source: null, boot: null, seq: null, refused: false })
  }
  return { held, unopened }
}

/**
 * What was found to be about an erased time, now that it can be read and placed, loses its bytes. To be done before it is marked: begun
 * again, a replay finds it still.
 */
export async function erasePage (database: Database, held: readonly Held[], verdicts: readonly Verdict[]): Promise<void> {
  const byId = new Map(verdicts.map((verdict) => [verdict.id, verdict]))
  const meant = await whichErased(database, held.map((message) => {
    const { source = null, boot = null, reason = null } = byId.get(message.id) ?? {}
    return { ...message, source, boot, reason: reason ?? '' }
  }))
  const ids = held.filter((_, i) => meant[i] === true).map(({ id }) => id)
  if (ids.length > 0) await database.query('SELECT erase_quarantine($1)', [ids])
}

/** Writes the verdicts to their rows. What was stored once stays marked so. */
export async function markPage (database: Database, verdicts: readonly Verdict[]): Promise<void> {
  await database.transaction(async (client) => {
    const refused = verdicts.filter((verdict) => verdict.refused).map(({ id }) => id)
    if (refused.length > 0) await uncount(client, refused)
    // A message that the database refuses as data has got a row with that reason: the row with the older reason gives way
    // to it, or one message would be in quarantine twice.
    await client.query(`
      UPDATE quarantine AS q SET
        replay_outcome = r.outcome, source = coalesce(q.source, r.source), boot = coalesce(q.boot, r.boot), seq = coalesce(q.seq, r.seq),
        replayed_at = CASE WHEN r.outcome IN ('stored', 'duplicate') OR r.outcome = 'quarantined: data-error' AND q.reason <> 'data-error' AND EXISTS (
          SELECT FROM quarantine AS other WHERE other.publisher = q.publisher AND other.kind = q.kind AND other.digest = q.digest
            AND other.reason = 'data-error' AND other.replayed_at IS NULL) THEN now() END
      FROM unnest($1::int8[], $2::text[], $3::uuid[], $4::numeric[], $5::int8[]) AS r (id, outcome, source, boot, seq)
      WHERE q.id = r.id AND q.replayed_at IS NULL`, [
      verdicts.map(({ id }) => id),
      verdicts.map(({ outcome, reason }) => reason === null ? outcome : `${outcome}: ${reason}`),
      verdicts.map(({ source }) => source),
      verdicts.map(({ boot }) => boot?.toString() ?? null),
      verdicts.map(({ seq }) => seq)
    ])
  })
}

/** The writer counts what it puts in quarantine as a delivery. A replay is none. */
async function uncount (client: Client, ids: readonly number[]): Promise<void> {
  await client.query(`
    UPDATE quarantine AS q SET times = q.times - 1 FROM quarantine AS replayed
    WHERE replayed.id = ANY($1::int8[]) AND q.publisher = replayed.publisher AND q.kind = replayed.kind AND q.digest = replayed.digest
      AND q.reason = 'data-error' AND q.times > 1`, [ids])
}
