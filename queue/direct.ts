// The queue inside one process: no disk of its own, durable because nothing is settled before the handler (the ingest
// worker) says that its transaction has committed. Takes envelopes from the broker, gives batches to the worker.
//
// When a batch goes: it is full (rows, bytes), its oldest message is old enough (age), or the worker has nothing to do
// and one whole turn of the event loop brought no further message (idle): then nothing is on its way and waiting would
// only add latency. A killed process loses only what nobody was told is stored.
import { onAbort } from '../runtime/abort.ts'
import { type Observability } from '../runtime/observability.ts'
import { PulsegateError } from '../runtime/errors.ts'
import { type BatchHandler, type BatchTrigger, type Envelope, type Queue, type QueueDepth, type Waiting } from './queue.ts'
import { defaultQueueLimits, type QueueLimits } from './limits.ts'
import { Held } from './held.ts'
import { QueueCounters } from './counters.ts'
import { settle } from './settle.ts'

interface Consumer {
  readonly handler: BatchHandler
  readonly concurrency: number
  readonly done: () => void
}

/** A batch given to the handler; `settled` guards exactly-once when a hard stop overtakes the handler. */
interface HandedOut {
  readonly envelopes: readonly Envelope[]
  readonly bytes: number
  settled: boolean
}

export class DirectQueue implements Queue {
  readonly #limits: QueueLimits
  readonly #log: Observability['log']
  readonly #held = new Held()
  readonly #counters: QueueCounters
  readonly #handedOut = new Set<HandedOut>()
  /** Parts of batches that the handler still has, and that take no place of its concurrency. */
  readonly #waiting = new Set<HandedOut>()
  readonly #whenEmpty: Array<() => void> = []
  #consumer: Consumer | null = null
  #messages = 0
  #bytes = 0
  #closed = false
  #ageTimer: NodeJS.Timeout | null = null
  #idleCheck: NodeJS.Immediate | null = null

  constructor (limits: QueueLimits, observability: Observability, metricsPrefix?: string) {
    this.#limits = limits
    this.#log = observability.log.child({ part: 'queue' })
    this.#counters = new QueueCounters(observability, () => this.depth, metricsPrefix)
  }

  get depth (): QueueDepth { return { messages: this.#messages, bytes: this.#bytes } }

  /** `depth` without what waits (`Waiting`): how many of those wait, and for how long, is not in the hands of whoever fills the queue. */
  get moving (): QueueDepth {
    let { messages, bytes } = this.depth
    for (const waiting of this.#waiting) {
      if (waiting.settled) continue
      messages -= waiting.envelopes.length
      bytes -= waiting.bytes
    }
    return { messages, bytes }
  }

  accept (envelope: Envelope): void {
    if (this.#closed) return this.#refuse(envelope, new PulsegateError('QUEUE_CLOSED', 'the queue is closed'))
    const size = envelope.payload.length
    if (this.#messages >= this.#limits.holdMessages || this.#bytes + size > this.#limits.holdBytes) {
      return this.#refuse(envelope, new PulsegateError('QUEUE_FULL', `the queue holds ${this.#messages} messages, ${this.#bytes} bytes`))
    }
    this.#messages++
    this.#bytes += size
    this.#held.push(envelope, performance.now())
    if (this.#consumer === null) return
    if (this.#isFull()) this.#pump()
    else this.#watch()
  }

  consume (handler: BatchHandler, { concurrency = 1 }: { concurrency?: number } = {}): Promise<void> {
    if (this.#consumer !== null) return Promise.reject(new Error('this queue has a consumer already'))
    return new Promise((resolve) => {
      this.#consumer = { handler, concurrency, done: resolve }
      this.#pump()
      this.#watch()
      this.#finishWhenEmpty()
    })
  }

  async untilHandled (): Promise<void> {}

  close (signal?: AbortSignal): Promise<void> {
    this.#closed = true
    return new Promise((resolve) => {
      const forget = onAbort(signal, () => { this.#abandon() })
      this.#whenEmpty.push(() => {
        forget()
        resolve()
      })
      this.#pump()
      this.#finishWhenEmpty()
    })
  }

  /** Hands out what is due while the handler has a place free. */
  #pump (): void {
    const consumer = this.#consumer
    if (consumer === null) return
    while (this.#handedOut.size < consumer.concurrency) {
      const trigger = this.#due()
      if (trigger === null) return
      this.#handOut(consumer, trigger)
    }
  }

  #isFull (): boolean {
    return this.#held.length >= this.#limits.maxMessages || this.#held.bytes >= this.#limits.maxBytes
  }

  #due (): BatchTrigger | null {
    if (this.#held.length === 0) return null
    if (this.#held.length >= this.#limits.maxMessages) return 'rows'
    if (this.#held.bytes >= this.#limits.maxBytes) return 'bytes'
    if (this.#closed) return 'drain'
    return performance.now() - this.#held.oldestAt >= this.#limits.maxAgeMs ? 'age' : null
  }

  #handOut (consumer: Consumer, trigger: BatchTrigger): void {
    const { envelopes, bytes } = this.#held.take(this.#limits.maxMessages, this.#limits.maxBytes)
    const batch: HandedOut = { envelopes, bytes, settled: false }
    this.#handedOut.add(batch)
    this.#counters.batch(trigger, envelopes.length)
    // a handler that throws at once counts as one that rejects
    new Promise<Waiting | void>((resolve) => { resolve(consumer.handler({ envelopes, bytes, trigger })) }).then(
      (waiting) => { this.#finish(batch, null, waiting ? this.#part(batch, waiting) : batch) },
      (reason: unknown) => { this.#finish(batch, errorOf(reason)) }
    )
  }

  /** Keeps what waits; gives the rest of the batch. */
  #part (batch: HandedOut, { envelopes, durable }: Waiting): HandedOut {
    const part = (kept: readonly Envelope[]): HandedOut =>
      ({ envelopes: kept, bytes: kept.reduce((sum, { payload }) => sum + payload.length, 0), settled: batch.settled })
    const late = new Set(envelopes)
    const waiting = part(envelopes)
    this.#waiting.add(waiting)
    if (!waiting.settled) for (const envelope of envelopes) envelope.waits?.()
    durable.then(() => { this.#finish(waiting, null) }, (reason: unknown) => { this.#finish(waiting, errorOf(reason)) })
    return part(batch.envelopes.filter((envelope) => !late.has(envelope)))
  }

  /** `done`: what of the batch is settled now. */
  #finish (batch: HandedOut, error: Error | null, done = batch): void {
    this.#handedOut.delete(batch)
    this.#waiting.delete(batch)
    this.#settle(done, error)
    this.#pump()
    this.#watch()
    this.#finishWhenEmpty()
  }

  /** Wakes the queue again: by age in any case, by idleness when the handler has nothing to do. */
  #watch (): void {
    if (this.#held.length === 0) return
    if (this.#ageTimer === null) {
      const wait = Math.max(1, this.#held.oldestAt + this.#limits.maxAgeMs - performance.now())
      this.#ageTimer = setTimeout(() => {
        this.#ageTimer = null
        this.#pump()
        if (this.#handedOut.size < (this.#consumer?.concurrency ?? 0)) this.#watch()
      }, wait).unref()
    }
    if (this.#handedOut.size === 0 && this.#idleCheck === null) this.#checkIdle(-1)
  }

  // An immediate runs after the poll phase that queued it; the next one runs after one more poll phase. Equal counts
  // at both mean that a whole turn went by without a message.
  #checkIdle (pushedBefore: number): void {
    this.#idleCheck = setImmediate(() => {
      this.#idleCheck = null
      if (this.#consumer === null || this.#handedOut.size > 0 || this.#held.length === 0) return
      if (this.#held.pushed === pushedBefore) this.#handOut(this.#consumer, 'idle')
      else this.#checkIdle(this.#held.pushed)
    })
  }

  #refuse (envelope: Envelope, error: PulsegateError): void {
    this.#counters.refused(error.code)
    settle(envelope, error, this.#log)
  }

  #settle (batch: HandedOut, error: Error | null): void {
    if (batch.settled) return
    batch.settled = true
    this.#messages -= batch.envelopes.length
    this.#bytes -= batch.bytes
    this.#counters.settled(batch.envelopes.length, error === null)
    for (const envelope of batch.envelopes) settle(envelope, error, this.#log)
  }

  #abandon (): void {
    const error = new PulsegateError('QUEUE_CLOSED', 'the process stopped before the message was stored')
    for (const batch of [...this.#handedOut, ...this.#waiting]) this.#settle(batch, error)
    this.#handedOut.clear()
    this.#waiting.clear()
    while (this.#held.length > 0) {
      this.#settle({ ...this.#held.take(this.#limits.maxMessages, this.#limits.maxBytes), settled: false }, error)
    }
    this.#finishWhenEmpty()
  }

  #finishWhenEmpty (): void {
    if (!this.#closed || this.#messages > 0 || this.#handedOut.size > 0) return
    if (this.#ageTimer !== null) clearTimeout(this.#ageTimer)
    this.#ageTimer = null
    this.#consumer?.done()
    this.#counters.close()
    for (const resolve of this.#whenEmpty.splice(0)) resolve()
  }
}

function errorOf (reason: unknown): Error { return reason instanceof Error ? reason : new Error(String(reason)) }

/** A queue in this process. `limits` overrides the defaults one by one; `metricsPrefix` (default `pulsegate_queue`) names its metrics. */
export function createDirectQueue (limits: Partial<QueueLimits>, observability: Observability, metricsPrefix?: string): DirectQueue {
  return new DirectQueue({ ...defaultQueueLimits, ...limits }, observability, metricsPrefix)
}
