// The audit log of one process: parts tell it events without waiting, a loop of its own appends them to the chain every 200 ms. While the
// database is away events wait, up to a bound; beyond it they are counted, and the counts are written when it is back.
//
//   record ──▶ storms ──▶ waiting (bounded) ──batch──▶ append ──▶ committed
//                            └─ full ──▶ overflow ──when it is back──▶ one event per kind
import { type AuditAgent, type AuditEvent, type AuditLog } from '../../runtime/audit.ts'
import { auditSource, type AuditSource } from '../../runtime/audit-source.ts'
import { type SpooledEvent } from '../../runtime/audit-spool.ts'
import { PulsegateError } from '../../runtime/errors.ts'
import { type CheckResult } from '../../runtime/health.ts'
import { type Observability } from '../../runtime/observability.ts'
import { sleep } from '../../runtime/retry.ts'
import { type Database } from '../database.ts'
import { AuditCounters } from './counters.ts'
import { Drain } from './drain.ts'
import { stamp } from './event.ts'
import { Overflow } from './overflow.ts'
import { Storms, type StormLimits } from './storms.ts'
import { type Entry, Waiting } from './waiting.ts'

export interface ChainedLogOptions {
  /** Its own pool, so that the trail never waits behind other work; statement timeout of a few seconds. */
  readonly database: Database
  /** Who tells of overflow. */
  readonly agent: AuditAgent
  readonly observability: Observability
  readonly source?: AuditSource
  /** Where events go that could not be written before the process ended. */
  readonly spill?: (events: readonly SpooledEvent[]) => Promise<void>
  readonly limits?: Partial<LogLimits>
}

export interface LogLimits extends StormLimits {
  /** Most events that wait. */
  readonly maxWaiting: number
  /** How long an event waits for others. */
  readonly flushAfterMs: number
  /** Most events in one transaction. */
  readonly maxBatch: number
  /** How long `recordNow` and `flush` wait. */
  readonly patienceMs: number
}

export interface ChainedLog extends AuditLog {
  /** Always ready; the reason says when the trail lags. */
  check (): CheckResult
  /** Resolves when everything told so far is committed; rejects with AUDIT_UNAVAILABLE after `patienceMs`. */
  flush (): Promise<void>
  /** Writes what is left, at most until `hard` aborts; what cannot be written is spilled. */
  close (hard?: AbortSignal): Promise<void>
}

const defaults: LogLimits = { maxWaiting: 10_000, flushAfterMs: 200, maxBatch: 1_000, patienceMs: 4_000, failuresPerS: 50, successesPerS: 1_000 }
// written within a fraction of a second when all is well
const lagsAfterMs = 5_000
const lastWordsMs = 5_000

export function openChainedLog (options: ChainedLogOptions): ChainedLog {
  return new RunningLog(options)
}

class RunningLog implements ChainedLog {
  readonly #options: ChainedLogOptions
  readonly #limits: LogLimits
  readonly #source: AuditSource
  readonly #log: Observability['log']
  readonly #waiting: Waiting
  readonly #storms: Storms
  readonly #overflow = new Overflow()
  readonly #counters: AuditCounters
  readonly #drain: Drain
  readonly #giveUp = new AbortController()
  readonly #running: Promise<void>
  #wake: () => void = () => {}
  #urgent = false
  /** Somebody waits for everything told so far, sums of storms included. */
  #everything = false
  #pausing = false
  #closing = false

  constructor (options: ChainedLogOptions) {
    const { database, source, limits, observability } = options
    this.#options = options
    this.#limits = { ...defaults, ...limits }
    this.#source = source ?? auditSource()
    this.#log = observability.log.child({ part: 'audit' })
    this.#waiting = new Waiting(this.#limits.maxWaiting)
    this.#storms = new Storms(this.#limits)
    this.#counters = new AuditCounters(observability.meter, () => ({ waiting: this.#waiting.size, lagMs: this.#waiting.ageMs(performance.now()) }))
    this.#drain = new Drain({
      waiting: this.#waiting,
      database,
      maxBatch: this.#limits.maxBatch,
      log: this.#log,
      written: (events) => { this.#counters.add('written', events) },
      unstorable: (event) => { this.#count(event) },
      signal: this.#giveUp.signal
    })
    this.#running = this.#run()
  }

  record (event: AuditEvent): void {
    if (this.#giveUp.signal.aborted) {
      this.#counters.add('lost', event.count ?? 1)
      this.#log.error({ type: event.type, subtype: event.subtype }, 'an audit event came after the trail was closed')
      return
    }
    if (this.#storms.pass(event, Date.now())) this.#take(event)
    else this.#counters.add('aggregated', event.count ?? 1)
    if (!this.#pausing) this.#wake()
  }

  recordNow (event: AuditEvent): Promise<void> {
    if (this.#waiting.full || this.#giveUp.signal.aborted) return Promise.reject(this.#unavailable())
    return new Promise((resolve, reject) => {
      const settle = (error: Error | null): void => {
        clearTimeout(timer)
        if (error === null) resolve()
        else reject(error)
      }
      const entry: Entry = { ...this.#entryOf(event), settle }
      // in a transaction just now its outcome is open: the caller is refused, and a row that says it happened errs on the safe side
      const timer = setTimeout(() => {
        this.#drain.forget(entry)
        reject(this.#unavailable())
      }, this.#limits.patienceMs)
      this.#waiting.push(entry)
      this.#hurry()
    })
  }

  async flush (): Promise<void> {
    const untilMs = performance.now() + this.#limits.patienceMs
    while (this.#due()) {
      if (performance.now() > untilMs) throw this.#unavailable()
      this.#everything = true
      this.#hurry()
      await sleep(5)
    }
  }

  check (): CheckResult {
    const lagMs = this.#waiting.ageMs(performance.now())
    const detail = { waiting: this.#waiting.size, lagS: Math.round(lagMs / 1_000), overflowed: this.#overflow.total }
    if (this.#overflow.pending) return { ready: true, reason: `audit trail: ${detail.waiting} events wait for the database, more are only counted`, detail }
    if (lagMs > lagsAfterMs) return { ready: true, reason: `audit trail: ${detail.waiting} events wait for the database, the oldest for ${detail.lagS} s`, detail }
    return { ready: true, detail }
  }

  async close (hard?: AbortSignal): Promise<void> {
    const giveUp = (): void => { this.#giveUp.abort() }
    const timer = setTimeout(giveUp, lastWordsMs)
    this.#closing = true
    if (hard?.aborted === true) giveUp()
    else hard?.addEventListener('abort', giveUp, { once: true })
    this.#hurry()
    await this.#running
    clearTimeout(timer)
    hard?.removeEventListener('abort', giveUp)
    giveUp()
    await this.#spill()
    this.#counters.close()
  }

  #take (event: AuditEvent): void {
    if (this.#waiting.full) this.#count(event)
    else this.#waiting.push(this.#entryOf(event))
  }

  #count (event: AuditEvent): void {
    this.#overflow.add(event, Date.now())
    this.#counters.add('overflow', event.count ?? 1)
  }

  #entryOf (event: AuditEvent): Entry {
    return { event, stamped: stamp(event, this.#source), sinceMs: performance.now() }
  }

  #due (): boolean { return this.#waiting.size > 0 || this.#storms.pending || this.#overflow.pending }

  async #run (): Promise<void> {
    while (!this.#giveUp.signal.aborted) {
      if (!this.#due()) {
        if (this.#closing) return
        await new Promise<void>((resolve) => { this.#wake = resolve })
      }
      await this.#pause()
      const all = this.#everything || this.#closing
      this.#everything = this.#urgent = false
      for (const sum of this.#storms.due(Date.now(), all)) this.#take(sum)
      if (!await this.#drain.all()) continue
      for (const event of this.#overflow.take(this.#options.agent)) this.#waiting.push(this.#entryOf(event))
    }
  }

  /** Lets events gather; ends at once when somebody waits for a commit. */
  async #pause (): Promise<void> {
    if (this.#urgent || this.#closing) return
    this.#pausing = true
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, this.#limits.flushAfterMs)
      this.#wake = () => { clearTimeout(timer); resolve() }
    })
    this.#pausing = false
  }

  #hurry (): void {
    this.#urgent = true
    this.#wake()
  }

  /** What no database took before the end. */
  async #spill (): Promise<void> {
    for (const sum of this.#storms.due(Date.now(), true)) this.#waiting.push(this.#entryOf(sum))
    for (const event of this.#overflow.take(this.#options.agent)) this.#waiting.push(this.#entryOf(event))
    const left = this.#waiting.takeAll()
    if (left.length === 0) return
    for (const { settle } of left) settle?.(this.#unavailable())
    try {
      if (this.#options.spill === undefined) throw new Error('there is no folder for what is left')
      await this.#options.spill(left.map(({ event, stamped: { id, fields } }) => ({ id, source: this.#source, event: { ...event, atMs: Number(fields['atMs']) } })))
      this.#counters.add('spilled', left.length)
      this.#log.warn({ events: left.length }, 'audit events that could not be written lie in the spool for the next start')
    } catch (err) {
      this.#counters.add('lost', left.length)
      this.#log.error({ err, events: left.length }, 'audit events could not be written and are lost')
    }
  }

  #unavailable (): PulsegateError {
    return new PulsegateError('AUDIT_UNAVAILABLE', `the audit trail cannot be written now (${this.#waiting.size} events wait), and this must not happen unrecorded`)
  }
}
