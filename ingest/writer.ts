// Writes a prepared batch: receipts decide what is new, samples and waves follow, quarantine and births go along, all in
// one transaction. Takes a batch from the worker (or a benchmark), gives back what became of every message. Promise:
// when `write` resolves, everything is committed; when it rejects, `progress` says what is, and the same call may be made again.
//
// Fast path: everything by COPY BINARY in one round trip. A receipt that is there already makes it fail with 23505;
// then the conflict path asks for each receipt whether it is new. Resends come in storms, so it is kept for a while.
import { type ClientBase } from 'pg'
import { PulsegateError } from '../runtime/errors.ts'
import { failPoints } from '../runtime/fail-points.ts'
import { BinaryBuffer } from './binary.ts'
import { newProgress, outcome, type PreparedBatch, type Progress, type QuarantineRow } from './batch.ts'
import { writeBirths } from './births.ts'
import { copyBatch, type Statement } from './copy.ts'
import { type Client, type Database } from './database.ts'
import {
  copyReceipts, copyRollupMark, copySamples, copyWaves, encodeReceipts, encodeRollupMark, encodeSamples, encodeWaves, type Mask
} from './encode-rows.ts'
import { receiptOrder } from './order.ts'
import { Partitions } from './partitions.ts'
import { type DataKeys } from './keys/data-keys.ts'
import { sealRows, type SealedRow } from './quarantine-prepare.ts'
import { writeQuarantine } from './quarantine-rows.ts'
import { insertReceipts, receiptParameters } from './receipt-arrays.ts'
import { RecentReceipts } from './recent.ts'
import { refusedRow } from './refused-row.ts'
import { sift } from './sift.ts'
import { touchedDays } from './touched.ts'
import { classify, isMissingPartition, sqlStateOf } from './sqlstate.ts'

// Batches on the conflict path after the last duplicate. A failed COPY costs a batch twice; after a reconnect resends
// come for a second or so, and this many batches are about that.
const conflictBatches = 16

/** Rows for quarantine that go along with a transaction, and sealed as the table takes them. */
interface Extra { readonly rows: readonly QuarantineRow[], readonly sealed: readonly SealedRow[] }
const nothingExtra: Extra = { rows: [], sealed: [] }

/** What a transaction added, counted into the progress once it has committed. */
interface Added { samples: number, waves: number }

export class Writer {
  readonly #database: Database
  readonly #keys: DataKeys
  readonly #partitions: Partitions
  readonly #recent = new RecentReceipts()
  readonly #receipts = new BinaryBuffer()
  readonly #samples = new BinaryBuffer(1024 * 1024)
  readonly #waves = new BinaryBuffer()
  readonly #mark = new BinaryBuffer()
  #conflictBatchesLeft = 0
  #memoryOnly = false

  constructor (database: Database, keys: DataKeys) {
    this.#database = database
    this.#keys = keys
    this.#partitions = new Partitions(database)
  }

  /**
   * One batch at a time. Errors are the database's, of the classes `transient` and `stop` (`data` errors end in quarantine), and that of
   * sealing (KEY_UNAVAILABLE …), `progress.unsealed`: then what needs no key, or one that can be had, is stored all the same.
   * `memoryOnly`: the key service is asked nothing.
   */
  async write (batch: PreparedBatch, progress: Progress = newProgress(batch), { memoryOnly = false }: { memoryOnly?: boolean } = {}): Promise<Progress> {
    progress.unsealed = null
    this.#memoryOnly = memoryOnly
    const written = new Set(progress.quarantined)
    let extra = await this.#sealed(batch.quarantined.filter((row) => !written.has(row)), progress)
    for (const mask of sift(batch, progress, this.#recent)) {
      await this.#store(batch, mask, extra, progress)
      extra = nothingExtra
    }
    const { unsealed } = progress as { unsealed: PulsegateError | null } // set meanwhile, by #sealed
    if (unsealed !== null) throw unsealed
    return progress
  }

  /** Those of them that a key can be had for at present; that there are others `write` says in the end. */
  async #sealed (rows: readonly QuarantineRow[], progress: Progress): Promise<Extra> {
    try {
      const { fault, ...extra } = await sealRows(this.#database, this.#keys, rows, this.#memoryOnly)
      progress.unsealed ??= fault
      return extra
    } catch (error) {
      if (!(error instanceof PulsegateError)) throw error
      progress.unsealed ??= error
      return nothingExtra
    }
  }

  async #store (batch: PreparedBatch, mask: Mask, extra: Extra, progress: Progress): Promise<void> {
    const messages = indexesOf(mask)
    if (messages.length === 0 && extra.rows.length === 0) return
    try {
      await this.#partitions.ensure(touchedDays(batch.columns, mask))
      const added = await this.#database.withClient((client) => this.#transaction(client, batch, mask, extra, progress))
      progress.samples += added.samples
      progress.waves += added.waves
      progress.quarantined.push(...extra.rows)
      this.#remember(batch, messages)
    } catch (error) {
      if (isMissingPartition(error)) this.#partitions.forget()
      if (isDestroyed(error)) this.#keys.forget(extra.sealed.map(({ key }) => key))
      // without messages there is no culprit to look for
      if (classify(error) !== 'data' || messages.length === 0) throw error
      await this.#bisect(batch, messages, extra, progress, error)
    }
  }

  /** The database refused something in here as data: halves, until the culprit is alone and goes to quarantine. */
  async #bisect (batch: PreparedBatch, messages: readonly number[], extra: Extra, progress: Progress, error: unknown): Promise<void> {
    const nothing = new Uint8Array(batch.columns.messages)
    const [only] = messages
    if (messages.length === 1 && only !== undefined) {
      const refused = await this.#sealed([refusedRow(batch, only, error)], progress)
      await this.#store(batch, nothing, { rows: [...extra.rows, ...refused.rows], sealed: [...extra.sealed, ...refused.sealed] }, progress)
      if (refused.rows.length > 0) progress.outcomes[only] = outcome.quarantined
      return
    }
    await this.#store(batch, nothing, extra, progress)
    const middle = messages.length >> 1
    await this.#store(batch, maskOf(nothing.length, messages.slice(0, middle)), nothingExtra, progress)
    await this.#store(batch, maskOf(nothing.length, messages.slice(middle)), nothingExtra, progress)
  }

  async #transaction (client: Client, batch: PreparedBatch, mask: Mask, extra: Extra, progress: Progress): Promise<Added> {
    if (this.#conflictBatchesLeft === 0) {
      try {
        const added = await this.#byCopy(client, batch, mask, extra)
        setOutcomes(progress, mask, outcome.stored)
        return added
      } catch (error) {
        // unique_violation: receipts are the only ones with a unique index here
        if (sqlStateOf(error) !== '23505') throw error
        await client.query('ROLLBACK')
      }
      this.#conflictBatchesLeft = conflictBatches
    }
    progress.asked = true
    return this.#byAsking(client, batch, mask, extra, progress)
  }

  async #byCopy (client: ClientBase, batch: PreparedBatch, mask: Mask, extra: Extra): Promise<Added> {
    const order = receiptOrder(batch.columns, mask)
    this.#receipts.clear()
    encodeReceipts(batch.columns, order, this.#receipts)
    const begun = extra.sealed.length > 0 || batch.births.length > 0
    if (begun) {
      await client.query('BEGIN')
      await writeBirths(client, batch.births, mask)
      await writeQuarantine(client, extra.sealed)
    }
    const statements: Statement[] = begun ? [] : [{ text: 'BEGIN' }]
    if (order.length > 0) statements.push({ text: copyReceipts, data: [this.#receipts.bytes] })
    return this.#finish(client, batch, mask, statements)
  }

  async #byAsking (client: ClientBase, batch: PreparedBatch, mask: Mask, extra: Extra, progress: Progress): Promise<Added> {
    await client.query('BEGIN')
    const order = receiptOrder(batch.columns, mask)
    this.#receipts.clear()
    const { rows } = await client.query<[string, string]>({
      text: insertReceipts, values: receiptParameters(batch.columns, order, this.#receipts), rowMode: 'array'
    })
    const fresh = freshOnes(batch, order, rows)
    await writeBirths(client, batch.births, fresh)
    await writeQuarantine(client, extra.sealed)
    const added = await this.#finish(client, batch, fresh, [])
    setOutcomes(progress, mask, outcome.duplicate)
    setOutcomes(progress, fresh, outcome.stored)
    const duplicates = order.length - rows.length
    this.#conflictBatchesLeft = duplicates > 0 ? conflictBatches : this.#conflictBatchesLeft - 1
    return added
  }

  /** Samples, waves and the rollup mark of `mask`, and COMMIT, in one round trip after `statements`. */
  async #finish (client: ClientBase, { columns, order }: PreparedBatch, mask: Mask, statements: Statement[]): Promise<Added> {
    for (const buffer of [this.#samples, this.#waves, this.#mark]) buffer.clear()
    const { samples, waves } = rowsOf(columns, mask)
    // encoded while the receipts are on their way
    if (samples > 0) statements.push({ text: copySamples, data: encodeSamples(columns, order, mask, this.#samples) })
    if (waves > 0) statements.push({ text: copyWaves, data: encodeWaves(columns, mask, this.#waves) })
    if (samples > 0) statements.push({ text: copyRollupMark, data: encodeRollupMark(columns, order, mask, this.#mark) })
    if (failPoints.has('after-copy-before-commit')) { // only then is there such a moment: one round trip else
      await copyBatch(client, statements.splice(0))
      failPoints.hit('after-copy-before-commit')
    }
    statements.push({ text: 'COMMIT' })
    const tags = await copyBatch(client, statements)
    // a COMMIT that ends a failed transaction is answered with ROLLBACK
    if (tags.at(-1) !== 'COMMIT') throw new Error(`the server answered COMMIT with ${tags.at(-1) ?? 'nothing'}`)
    return { samples, waves }
  }

  #remember ({ columns }: PreparedBatch, messages: readonly number[]): void {
    for (const i of messages) this.#recent.add(columns.boot[i] as number, columns.seq[i] as number, columns.timeMs[i] as number)
  }
}

/** The receipts the server answered as new come in the order they were given, so one walk over both finds them. */
function freshOnes ({ columns }: PreparedBatch, order: Int32Array, rows: ReadonlyArray<readonly [string, string]>): Mask {
  const fresh = new Uint8Array(columns.messages)
  let next = 0
  for (const i of order) {
    if (next === rows.length) break
    const [boot, seq] = rows[next] as readonly [string, string]
    if (Number(boot) !== columns.boot[i] || Number(seq) !== columns.seq[i]) continue
    fresh[i] = 1
    next++
  }
  if (next !== rows.length) throw new Error('the server answered receipts that were not asked for')
  return fresh
}

function rowsOf ({ messages, sampleCount, waveCount }: PreparedBatch['columns'], mask: Mask): Added {
  const rows = { samples: 0, waves: 0 }
  for (let i = 0; i < messages; i++) {
    if (mask[i] !== 1) continue
    rows.samples += sampleCount[i] as number
    rows.waves += waveCount[i] as number
  }
  return rows
}

function isDestroyed (error: unknown): boolean { return error instanceof PulsegateError && error.code === 'KEY_DESTROYED' }

function setOutcomes (progress: Progress, mask: Mask, value: number): void {
  for (let i = 0; i < mask.length; i++) if (mask[i] === 1) progress.outcomes[i] = value
}

function indexesOf (mask: Mask): number[] {
  const indexes: number[] = []
  for (let i = 0; i < mask.length; i++) if (mask[i] === 1) indexes.push(i)
  return indexes
}

function maskOf (length: number, indexes: readonly number[]): Mask {
  const mask = new Uint8Array(length)
  for (const i of indexes) mask[i] = 1
  return mask
}
