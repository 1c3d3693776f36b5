// One page of a replay: the kept bytes go through the same decoding, checks, placing and writing as a message from the broker,
// with the time of their first receipt. Takes held messages, gives a verdict on each. Without a writer it stops short of writing and says
// what would happen, but for what only the database itself would refuse.
import { type Envelope } from '../queue/queue.ts'
import { newProgress, outcome, type PreparedBatch, type Progress } from './batch.ts'
import { type Database } from './database.ts'
import { type Lookup } from './lookup.ts'
import { prepare, type PrepareContext } from './prepare.ts'
import { type Held, type Verdict } from './quarantine-page.ts'
import { findReceipts, oldestKeptMs, olderThan } from './quarantine-receipts.ts'
import { type RecentReceipts } from './recent.ts'
import { sift } from './sift.ts'
import { type Writer } from './writer.ts'

export interface PageTools {
  readonly database: Database
  readonly lookup: Lookup
  readonly retentionMs: number
  readonly decode?: PrepareContext['decode']
  /** Null: a dry run. */
  readonly writer: Writer | null
  /** What a dry run has called stored so far. */
  readonly seen: RecentReceipts
  /** Runs a step, again while the database is away. */
  readonly patiently: <T>(step: () => Promise<T>) => Promise<T>
}

export async function replayPage (held: readonly Held[], tools: PageTools): Promise<Verdict[]> {
  const { database, lookup, retentionMs, decode, patiently } = tools
  const envelopes = held.map(({ publisher, kind, payload, receivedAtMs }): Envelope => ({ publisher, kind, payload, receivedAtMs, settle () {} }))
  const batch = await patiently(() => prepare(envelopes, { lookup, retentionMs, ...(decode && { decode }) }))
  const progress = newProgress(batch)
  const tooOld = olderThan(batch.columns, await patiently(() => oldestKeptMs(database, retentionMs)))
  for (const i of tooOld) progress.outcomes[i] = outcome.quarantined
  const { writer } = tools
  if (writer === null) {
    await patiently(() => foresee(batch, progress, tools))
  } else {
    // what is still refused is in quarantine already: it must not count as another delivery
    await patiently(() => writer.write({ ...batch, quarantined: [] }, progress))
    await patiently(() => confirm(batch, progress, database))
  }
  return verdictsOf(held, batch, progress, tooOld)
}

/** Stored and duplicate is what has a receipt. A repeat of a message that was refused later in its batch has none. */
async function confirm ({ columns }: PreparedBatch, progress: Progress, database: Database): Promise<void> {
  const found = await findReceipts(database, columns)
  for (let i = 0; i < columns.messages; i++) if (found[i] !== 1) progress.outcomes[i] = outcome.quarantined
}

async function foresee (batch: PreparedBatch, progress: Progress, { database, seen }: PageTools): Promise<void> {
  const { columns } = batch
  sift(batch, progress, seen)
  const found = await findReceipts(database, columns)
  for (let i = 0; i < columns.messages; i++) {
    if (progress.outcomes[i] !== outcome.pending) continue
    progress.outcomes[i] = found[i] === 1 ? outcome.duplicate : outcome.stored
    seen.add(columns.boot[i] as number, columns.seq[i] as number, columns.timeMs[i] as number)
  }
}

function verdictsOf (held: readonly Held[], batch: PreparedBatch, progress: Progress, tooOld: ReadonlySet<number>): Verdict[] {
  // by the payload's own buffer: the one thing that a row, its envelope and its refusal share
  const became = new Map<Buffer, Omit<Verdict, 'id'>>()
  const refusedNow = new Set(progress.quarantined.map(({ payload }) => payload))
  for (const { payload, reason, source, boot, seq } of batch.quarantined) {
    became.set(payload, { outcome: 'quarantined', reason, source, boot, seq, refused: false })
  }
  for (const [i, { envelope: { payload }, source, boot, seq }] of batch.origins.entries()) {
    const result = progress.outcomes[i]
    const header = { source, boot, seq, refused: refusedNow.has(payload) }
    if (result === outcome.stored) became.set(payload, { outcome: 'stored', reason: null, ...header })
    else if (result === outcome.duplicate) became.set(payload, { outcome: 'duplicate', reason: null, ...header })
    else became.set(payload, { outcome: 'quarantined', reason: tooOld.has(i) ? 'too-old' : 'data-error', ...header })
  }
  return held.map(({ id, payload }) => {
    const verdict = became.get(payload)
    if (verdict === undefined) throw new Error(`nothing became of message ${id} of quarantine: a fault of ours`)
    return { id, ...verdict }
  })
}
