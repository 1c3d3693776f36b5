// Moves waiting events into the chain, batch by batch, until none is left or it fails. A failure is the database's (wait, and try the same
// again) or, which must not be, a row's that no database takes (find it, count it, go on with the others).
import { orAborted } from '../../runtime/abort.ts'
import { type AuditEvent } from '../../runtime/audit.ts'
import { PulsegateError } from '../../runtime/errors.ts'
import { type Logger } from '../../runtime/observability.ts'
import { backoffMs, sleep } from '../../runtime/retry.ts'
import { type Database } from '../database.ts'
import { classify, describeFault, sqlStateOf } from '../sqlstate.ts'
import { append } from './append.ts'
import { type Entry, type Waiting } from './waiting.ts'

export interface DrainOptions {
  readonly waiting: Waiting
  readonly database: Database
  readonly maxBatch: number
  readonly log: Logger
  readonly written: (events: number) => void
  readonly unstorable: (event: AuditEvent) => void
  /** Aborts when there is no more time. */
  readonly signal: AbortSignal
}

// a reader who waits for the commit of his event has some seconds of patience
const backoff = { baseMs: 100, capMs: 2_000 }

export class Drain {
  readonly #options: DrainOptions
  readonly #unwanted = new WeakSet<Entry>()
  #failures = 0
  #singly = false

  constructor (options: DrainOptions) { this.#options = options }

  /** Nobody waits for it any more, and it did not happen: when it is still unwritten, it stays so. */
  forget (entry: Entry): void {
    if (!this.#options.waiting.withdraw(entry)) this.#unwanted.add(entry)
  }

  /** True when nothing waits any more; false when it failed, after waiting a while. */
  async all (): Promise<boolean> {
    const { waiting, signal } = this.#options
    while (waiting.size > 0) {
      if (signal.aborted || !await this.#batch()) return false
    }
    return true
  }

  async #batch (): Promise<boolean> {
    const { waiting, database, maxBatch, log, written, signal } = this.#options
    const batch = waiting.first(this.#singly ? 1 : maxBatch)
    try {
      await orAborted(append(database, batch.map(({ stamped }) => stamped), signal), signal)
    } catch (error) {
      return this.#failed(batch, error)
    }
    waiting.done()
    written(batch.length)
    for (const { settle } of batch) settle?.(null)
    if (this.#failures > 0) log.info({ waiting: waiting.size }, 'the audit trail is written again')
    this.#failures = 0
    return true
  }

  async #failed (batch: readonly Entry[], error: unknown): Promise<boolean> {
    if (isRowsFault(error)) return this.#bisect(batch, error)
    const { waiting, log, signal } = this.#options
    if (classify(error) === 'stop') this.#refuse(batch, error)
    waiting.again((entry) => this.#unwanted.has(entry))
    if (this.#failures++ === 0) log.warn({ fault: describeFault(error), waiting: waiting.size }, 'the audit trail cannot be written; events wait')
    await sleep(20 + backoffMs({ ...backoff, attempt: this.#failures }), signal).catch(() => {})
    return false
  }

  /** A missing right or table does not come by waiting: who waits for a commit is told at once. */
  #refuse (batch: readonly Entry[], cause: unknown): void {
    for (const entry of batch) {
      if (entry.settle === undefined) continue
      this.#unwanted.add(entry)
      entry.settle(new PulsegateError('AUDIT_UNAVAILABLE', `${why(cause)}, and this must not happen unrecorded`, { cause }))
    }
  }

  #bisect (batch: readonly Entry[], error: unknown): boolean {
    const { waiting, log, unstorable } = this.#options
    const [entry] = batch
    this.#singly = batch.length > 1
    if (entry === undefined || this.#singly) {
      waiting.again((one) => this.#unwanted.has(one))
      return true
    }
    waiting.done()
    log.error({ fault: describeFault(error), type: entry.event.type, subtype: entry.event.subtype }, 'an audit event cannot be stored')
    unstorable(entry.event)
    entry.settle?.(new PulsegateError('AUDIT_UNAVAILABLE', 'the database does not take this event, and this must not happen unrecorded', { cause: error }))
    return true
  }
}

function why (cause: unknown): string {
  if (sqlStateOf(cause) === '42501') return 'this login may not add to the audit trail (it needs the rights of pulsegate_auditor too)'
  return `the audit trail cannot be written in this database (${describeFault(cause)})`
}

/** No database takes this row, now or later. 23505: somebody wrote past the lock, and the next attempt reads the head again. Class 54: too large for an index. */
export function isRowsFault (error: unknown): boolean {
  const code = sqlStateOf(error)
  return code !== undefined && code !== '23505' && (code.startsWith('54') || classify(error) === 'data')
}
