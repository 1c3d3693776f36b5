// The ingest worker: takes batches from the queue, prepares and writes them, and resolves the queue's handler once a batch is
// durable. While batch N waits for the database, batch N+1 is prepared; writes go one after the other, in the queue's
// order. An outage is waited out here: the batch stays unacknowledged and is tried again until it is stored or the process must stop.
// A key that cannot be had is no outage: what needs it waits apart (waiting-room.ts), and the rest goes on.
import { onAbort, orAborted } from '../runtime/abort.ts'
import { type AuditTrail, silentTrail } from '../runtime/audit.ts'
import { type Logger, type Observability } from '../runtime/observability.ts'
import { type Batch, type Envelope, type QueueReader, type Waiting } from '../queue/queue.ts'
import { newProgress, type PreparedBatch, type Progress } from './batch.ts'
import { Columns } from './columns.ts'
import { IngestCounters, type Totals } from './counters.ts'
import { type Database } from './database.ts'
import { type DataKeys } from './keys/data-keys.ts'
import { LastSeen } from './last-seen.ts'
import { Lookup, type RegistryChange } from './lookup.ts'
import { Persist } from './persist.ts'
import { prepare } from './prepare.ts'
import { SecurityEvents } from './security-events.ts'
import { SeqAlarm } from './seq-alarm.ts'
import { store } from './store.ts'
import { WaitingRoom } from './waiting-room.ts'
import { Writer } from './writer.ts'

export interface WorkerSettings {
  /** How long readings are kept, ms; older messages go to quarantine. Must not be longer than the database's retention. */
  readonly retentionMs: number
}

export interface WorkerOptions {
  readonly queue: QueueReader
  readonly database: Database
  readonly settings: WorkerSettings
  /** What seals messages that go to quarantine. */
  readonly keys: DataKeys
  readonly observability: Observability
  /** Told of security events; default: nobody. */
  readonly audit?: AuditTrail
}

export interface WorkerStatus {
  readonly ready: boolean
  /** Why not; null when ready. */
  readonly reason: string | null
  readonly breaker: 'closed' | 'open' | 'half-open'
  /** Messages for quarantine that wait for a data key, unacknowledged. */
  readonly waiting: number
  /** How long the last commit took; null before the first. */
  readonly lastCommitMs: number | null
  /** Samples and waves of the last batch. */
  readonly lastBatchRows: number
  readonly lastBatchMessages: number
  /** Samples and waves per batch, on average. */
  readonly rowsPerBatch: number
  readonly totals: Readonly<Totals>
  /** Quarantined messages by reason. */
  readonly reasons: Readonly<Record<string, number>>
}

export interface Worker {
  status (): WorkerStatus
  /** The registry has changed: what is remembered of it is void. Without it a change is seen within a second. */
  registryChanged (change: RegistryChange): void
  /**
   * Resolves when the queue has been closed and everything it handed out is settled; close the queue first. When `signal`
   * aborts (hard stop), what cannot be stored now is given up, unacknowledged.
   */
  close (signal?: AbortSignal): Promise<void>
}

// One batch with the database, one being prepared. More would only queue up behind the single writer.
const concurrency = 2
const lastWordsMs = 5_000
// A commit takes milliseconds. Beyond this the database is not doing its work, whatever it answers to a ping.
const slowAfterMs = 10_000

class IngestWorker implements Worker {
  readonly #options: WorkerOptions
  readonly #writer: Writer
  readonly #lookup: Lookup
  readonly #lastSeen: LastSeen
  readonly #counters: IngestCounters
  readonly #persist: Persist
  readonly #waiting: WaitingRoom
  readonly #alarm: SeqAlarm
  readonly #log: Logger
  readonly #hard = new AbortController()
  readonly #consuming: Promise<void>
  readonly #freeColumns: Columns[] = []
  // without the error's message, which may carry a value
  readonly #onDecoderFault = (error: unknown): void => {
    this.#log.error({ fault: error instanceof Error ? error.name : typeof error, stack: error instanceof Error ? stackOf(error) : null }, 'the decoder threw: a bug, the message is in quarantine')
  }

  readonly #onErased = (values: number): void => { this.#counters.erased(values) }

  #previousWrite: Promise<unknown> = Promise.resolve()
  /** When each batch that is not stored yet was handed out, oldest first. */
  readonly #unfinished: number[] = []
  #last = { commitMs: null as number | null, rows: 0, messages: 0 }

  constructor (options: WorkerOptions) {
    this.#options = options
    this.#writer = new Writer(options.database, options.keys)
    this.#lookup = new Lookup(options.database)
    this.#lastSeen = new LastSeen(options.database)
    this.#counters = new IngestCounters(options.observability, () => this.#waiting.messages)
    this.#log = options.observability.log.child({ part: 'ingest' })
    this.#alarm = new SeqAlarm(new SecurityEvents(options.audit ?? silentTrail, { ...options.observability, log: this.#log }), this.#log)
    const persist = (): Persist => new Persist(this.#log, this.#hard.signal, () => { this.#counters.retried() })
    this.#persist = persist()
    this.#waiting = this.#openWaitingRoom(persist())
    this.#consuming = options.queue.consume((batch) => this.#handle(batch), { concurrency })
  }

  status (): WorkerStatus {
    const { totals, reasons } = this.#counters
    const reason = this.#persist.fault ?? this.#slow()
    return {
      ready: reason === null,
      reason,
      breaker: this.#persist.breaker,
      waiting: this.#waiting.messages,
      lastCommitMs: this.#last.commitMs,
      lastBatchRows: this.#last.rows,
      lastBatchMessages: this.#last.messages,
      rowsPerBatch: totals.batches === 0 ? 0 : (totals.samples + totals.waves) / totals.batches,
      totals: { ...totals },
      reasons: Object.fromEntries(reasons)
    }
  }

  registryChanged (change: RegistryChange): void { this.#lookup.forget(change) }

  async close (signal?: AbortSignal): Promise<void> {
    const forget = onAbort(signal, () => { this.#hard.abort() })
    try {
      await this.#consuming
    } finally {
      forget()
      // nothing is handed out any more: whatever still waits for the database waits in vain
      this.#hard.abort()
      this.#counters.close()
      this.#alarm.close()
    }
    // a kindness, and not at the price of the grace period
    await orAborted(this.#lastSeen.write(), signal ?? AbortSignal.timeout(lastWordsMs)).catch(() => {})
  }

  #slow (): string | null {
    const [since] = this.#unfinished
    if (since === undefined) return null
    const forMs = performance.now() - since
    return forMs < slowAfterMs ? null : `database: a batch has been waiting for ${Math.round(forMs / 1_000)} s`
  }

  /** Preparing begins at once, writing when the batch before is through: the place in line is taken before the first await. */
  #handle (batch: Batch): Promise<Waiting | void> {
    const before = this.#previousWrite
    this.#unfinished.push(performance.now())
    const prepared = this.#prepareInTime(batch)
    const written = before.then(() => prepared).then((ready) => this.#write(batch, ready))
      .finally(() => { this.#unfinished.shift() }) // they finish in their order
    this.#previousWrite = written.catch(() => {})
    return written
  }

  #prepareInTime ({ envelopes }: Batch): Promise<PreparedBatch> {
    const columns = this.#freeColumns.pop() ?? new Columns()
    const prepared = this.#persist.until(() => this.#prepare(envelopes, columns))
    // it is awaited when its turn to be written comes; until then nobody else would hear of a rejection
    prepared.catch(() => {})
    return prepared
  }

  #prepare (envelopes: readonly Envelope[], columns: Columns): Promise<PreparedBatch> {
    const { retentionMs } = this.#options.settings
    columns.clear()
    return prepare(envelopes, { lookup: this.#lookup, retentionMs, columns, onDecoderFault: this.#onDecoderFault, onErased: this.#onErased })
  }

  async #write ({ envelopes, bytes, trigger }: Batch, prepared: PreparedBatch): Promise<Waiting | void> {
    const { tracer } = this.#options.observability
    const span = tracer.startSpan('ingest.write', { attributes: { messages: envelopes.length, bytes, trigger } })
    const started = performance.now()
    const progress = newProgress(prepared)
    try {
      const waiting = await this.#persist.until(() => this.#storeOrWait(envelopes, prepared, progress))
      const commitMs = performance.now() - started
      const messages = envelopes.length - (waiting?.envelopes.length ?? 0)
      this.#last = { commitMs, rows: progress.samples + progress.waves, messages }
      this.#note(messages, prepared, progress, commitMs)
      this.#freeColumns.push(prepared.columns)
      return waiting ?? undefined
    } finally {
      span.end()
    }
  }

  async #storeOrWait (envelopes: readonly Envelope[], prepared: PreparedBatch, progress: Progress): Promise<Waiting | null> {
    // the service is asked by those that wait already, not once more for every batch; a key in memory needs no asking
    const known = this.#waiting.fault
    const { left, fault } = await store(this.#writer, envelopes, { prepared, progress, memoryOnly: known !== null })
    const why = known ?? fault
    if (left.length === 0 || why === null) return null
    const durable = this.#waiting.enter(left, why)
    if (durable === null) throw why
    return { envelopes: left, durable }
  }

  #openWaitingRoom (persist: Persist): WaitingRoom {
    const writer = new Writer(this.#options.database, this.#options.keys)
    const columns = new Columns()
    return new WaitingRoom({
      persist,
      attempt: async (envelopes) => {
        const started = performance.now()
        const prepared = await this.#prepare(envelopes, columns)
        const progress = newProgress(prepared)
        const attempt = await store(writer, envelopes, { prepared, progress, memoryOnly: false })
        const messages = envelopes.length - attempt.left.length
        if (messages > 0) this.#note(messages, prepared, progress, performance.now() - started)
        return attempt
      }
    })
  }

  /** What has become of messages, once it is committed. */
  #note (messages: number, prepared: PreparedBatch, progress: Progress, commitMs: number): void {
    this.#counters.batch(messages, progress, commitMs)
    this.#lastSeen.note(prepared.columns)
    this.#alarm.note(prepared, progress)
  }
}

/** Where it happened: the lines below the first, which is the message. */
function stackOf ({ stack = '' }: Error): string[] {
  return stack.split('\n').filter((line) => /^\s+at /.test(line)).slice(0, 8).map((line) => line.trim())
}

/** Starts consuming `queue`. The database must be migrated; it need not be up. */
export function startWorker (options: WorkerOptions): Worker {
  return new IngestWorker(options)
}
