// The worker's side of the queue over Redis: holds its share of the partitions, reads their streams, hands batches to the handler, and
// acknowledges to Redis what the handler made durable. Batches are cut by the direct queue, so a worker sees no difference.
//
// Bounds: what is in hand (read and not acknowledged) is a few batches, and what the handler lets wait; the rest stays in Redis. Nothing is acknowledged that this worker
// does not hold (scripts.ts), nothing is removed from a stream that some group still needs.
import { setMaxListeners } from 'node:events'
import { createDirectQueue, type DirectQueue } from '../direct.ts'
import { type QueueLimits } from '../limits.ts'
import { type BatchHandler, type Envelope, type QueueReader } from '../queue.ts'
import { type Logger, type Observability } from '../../runtime/observability.ts'
import { type BreakerState } from '../../runtime/breaker.ts'
import { sleep } from '../../runtime/retry.ts'
import { onAbort, orAborted } from '../../runtime/abort.ts'
import { Allowance } from './allowance.ts'
import { type Connection } from './connection.ts'
import { Gate } from './gate.ts'
import { Holdings } from './holdings.ts'
import { type Keys } from './keys.ts'
import { type Partition, type PartitionHost } from './partition.ts'
import { observeReader, type ReaderCounts } from './reader-metrics.ts'
import { type Amount, readShares } from './read-shares.ts'
import { withScripts } from './scripts.ts'
import { Turnstile } from './turnstile.ts'

export interface ReaderOptions {
  readonly connections: { readonly reader: Connection, readonly admin: Connection, readonly wake: Connection }
  readonly keys: Keys
  readonly partitions: number
  readonly leaseMs: number
  readonly limits: QueueLimits
  readonly observability: Observability
}

// The wake-up channel is a help, not a promise: without it messages are found this often.
const lookEveryMs = 250
const trimEveryMs = 250

export class RedisReader implements QueueReader, PartitionHost {
  readonly gate: Gate
  readonly #options: ReaderOptions
  readonly #log: Logger
  readonly #batches: DirectQueue
  readonly #holdings: Holdings
  readonly #counts: ReaderCounts = { redelivered: 0, gone: 0, fenced: 0 }
  readonly #stopping = new AbortController()
  readonly #hard = new AbortController()
  readonly #unobserve: () => void
  #consuming: Promise<void> | null = null
  readonly #turnstile = new Turnstile()
  readonly #allowance: Allowance
  /** Asked for and not here yet. */
  readonly #underWay = { messages: 0, bytes: 0 }
  #reads = 0
  #suspects = 0
  /** A suspect is, or is about to be, alone in the process's hands: nothing else is read. */
  #exclusive = false
  #moving = false
  #loops: Array<Promise<void>> = []

  constructor (options: ReaderOptions) {
    const { connections: { reader, admin }, observability } = options
    this.#options = options
    this.#log = observability.log.child({ part: 'queue' })
    setMaxListeners(0, this.#hard.signal) // every busy partition waits on it
    this.#allowance = new Allowance(options.limits.maxBytes)
    this.gate = new Gate({ connection: reader, log: this.#log })
    this.#batches = createDirectQueue({ ...options.limits, holdMessages: Infinity, holdBytes: Infinity }, observability, 'pulsegate_inbound') // readShares keeps it small
    this.#holdings = new Holdings({ ...options, admin, reader, host: this, log: this.#log })
    this.#unobserve = observeReader(observability.meter, () => ({ ...this.#counts, ...this.lag }))
  }

  get breaker (): BreakerState { return this.gate.breaker }

  /** Why nothing can be read at present; null when it can. */
  get fault (): string | null { return this.gate.fault ?? this.#holdings.fault }

  /** Of the partitions held here: entries in the streams not acknowledged, of them those in hand, and how many are held. */
  get lag (): { entries: number, inHand: number, held: number } {
    let entries = 0
    for (const { left } of this.#holdings.held.values()) entries += left
    return { entries, inHand: this.#batches.depth.messages, held: this.#holdings.held.size }
  }

  get consuming (): boolean { return this.#consuming !== null }

  consume (handler: BatchHandler, options: { concurrency?: number } = {}): Promise<void> {
    if (this.#consuming !== null) return Promise.reject(new Error('this queue has a consumer already'))
    const { reader, admin, wake } = this.#options.connections
    this.#consuming = this.#batches.consume(handler, options)
    reader.onReady(() => {
      for (const partition of this.#holdings.held.values()) partition.readAgain()
      this.moved()
    })
    admin.onReady(() => { this.#holdings.turn() })
    this.#listen(wake)
    this.#loops = [this.#every(lookEveryMs, async () => { this.#signalAll() }), this.#every(trimEveryMs, async () => { await this.#trim() })]
    return this.#consuming
  }

  /** Resolves when the streams held here hold nothing that is not handled. */
  async untilHandled (signal: AbortSignal): Promise<void> {
    for (;;) {
      this.#signalAll()
      const counted = await this.#trim()
      const { entries, inHand, held } = this.lag
      // one that was taken meanwhile, or could not be asked, has not been counted
      const known = [...this.#holdings.held.values()].every((partition) => counted.has(partition))
      if (this.fault === null && known && entries === 0 && inHand === 0 && held > 0) return
      await sleep(20, signal)
    }
  }

  /** Soft: reads no more, finishes and acknowledges what is in hand, gives the partitions back. Hard: gives up what is in hand. */
  async close (signal?: AbortSignal): Promise<void> {
    const forget = onAbort(signal, () => { this.#hard.abort() })
    this.#holdings.stopTaking()
    this.#stopping.abort()
    await orAborted(Promise.all(this.#loops), this.#hard.signal).catch(() => {})
    await this.#batches.close(this.#hard.signal)
    await this.#consuming
    await Promise.allSettled([...this.#holdings.held.values()].map((partition) => partition.acknowledge(this.#hard.signal)))
    await orAborted(this.#trim(), this.#hard.signal).catch(() => {})
    await this.#holdings.close(this.#hard.signal)
    forget()
    this.#unobserve()
  }

  // -- what a partition asks of its host

  async alone (): Promise<() => void> {
    this.#suspects++
    const leave = await this.#turnstile.enter()
    this.#exclusive = true
    // What waits for a key may do so for hours, and was prepared without harm. Reads that are out, but for those that wait here themselves,
    // still bring something.
    const empty = (): boolean => this.#batches.moving.messages === 0 && this.#reads <= this.#suspects
    while (!empty() && !this.#stopping.signal.aborted) await sleep(5)
    return () => {
      this.#suspects--
      this.#exclusive = false
      leave()
      this.moved()
    }
  }

  deliver (envelope: Envelope): void { this.#batches.accept(envelope) }

  lost (partition: Partition, why: string, avoidMs: number): void {
    this.#log.warn({ partition: partition.number, why }, 'partition given up')
    this.#holdings.drop(partition, avoidMs)
    this.#holdings.turn()
  }

  count (what: keyof ReaderCounts, how: number): void {
    if (what === 'gone') this.#log.error({ entries: how }, 'entries were removed from the stream before they were acknowledged: look for gaps with `pulsegate completeness`')
    this.#counts[what] += how
  }

  /** At most once per turn of the event loop, however many messages moved. */
  moved (): void {
    if (this.#moving) return
    this.#moving = true
    setImmediate(() => {
      this.#moving = false
      this.#acknowledge()
      this.#read()
    })
  }

  // -- the work

  #read (): void {
    if (this.#stopping.signal.aborted || this.#exclusive || !this.#options.connections.reader.ready) return
    const ready = [...this.#holdings.held.values()].filter(({ wantsRead }) => wantsRead)
    const { messages, bytes } = this.#batches.moving // what waits has a bound of its own
    const inHand = { messages: messages + this.#underWay.messages, bytes: bytes + this.#underWay.bytes }
    const share = readShares(this.#options.limits, inHand, ready.length, this.#allowance.bytes, this.#underWay.bytes)
    if (share !== null) for (const partition of ready) this.#readFrom(partition, share)
  }

  #readFrom (partition: Partition, share: Amount): void {
    this.#reads++
    this.#underWay.messages += share.messages
    this.#underWay.bytes += share.bytes
    partition.read(share).then(
      () => { this.#allowance.succeeded() },
      (error: unknown) => { this.#allowance.failed(error) } // the gate knows why; the look-out or the next connection comes back to it
    ).finally(() => {
      this.#reads--
      this.#underWay.messages -= share.messages
      this.#underWay.bytes -= share.bytes
      if (partition.wantsRead) this.moved()
    })
  }

  #acknowledge (): void {
    for (const partition of this.#holdings.held.values()) {
      partition.acknowledge(this.#hard.signal).catch(() => {}) // only when the process must stop at once
    }
    this.#holdings.handOver()
  }

  #signalAll (): void {
    for (const partition of this.#holdings.held.values()) partition.signalled = true
    this.moved()
  }

  /** Gives the partitions of which it is known now what is left in them. */
  async #trim (): Promise<Set<Partition>> {
    const { admin } = this.#options.connections
    const scripted = withScripts(admin.redis)
    const looked = new Set<Partition>()
    await Promise.allSettled([...this.#holdings.held.values()].map(async (partition) => {
      const { left, pending } = await admin.call(() => partition.scripts.trim(scripted))
      partition.looked(left, pending)
      looked.add(partition)
    }))
    return looked
  }

  #listen (wake: Connection): void {
    wake.redis.on('message', (_channel: string, about: string) => {
      if (about === 'lease') { this.#holdings.turn(); return }
      const partition = this.#holdings.held.get(Number(about))
      if (partition === undefined) return
      partition.signalled = true
      this.moved()
    })
    wake.onReady(() => {
      // what was said before nobody heard
      wake.call((redis) => redis.subscribe(this.#options.keys.wake)).then(() => { this.#holdings.turn(); this.#signalAll() }, () => {})
    })
  }

  async #every (ms: number, act: () => Promise<void>): Promise<void> {
    const { signal } = this.#stopping
    while (!signal.aborted) {
      await act()
      await sleep(ms, signal).catch(() => {})
    }
  }
}
