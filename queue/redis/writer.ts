// The broker's side of the queue over Redis: takes envelopes, settles each with `null` once Redis has answered its XADD and is known
// to fsync before it answers. While Redis is away, full, or not durable, envelopes wait here, in bounded memory, and with them
// the PUBACKs; nothing is dropped. An unknown outcome is sent again: two entries of one message are one row, receipts see to that.
//
// accept ─▶ per partition, in order ─▶ chunk (one script call, one at a time a partition) ─▶ settled
import { failPoints } from '../../runtime/fail-points.ts'
import { type Logger, type Observability } from '../../runtime/observability.ts'
import { PulsegateError } from '../../runtime/errors.ts'
import { type BreakerState } from '../../runtime/breaker.ts'
import { type QueueLimits } from '../limits.ts'
import { type Envelope, type QueueDepth, type QueueWriter } from '../queue.ts'
import { QueueCounters } from '../counters.ts'
import { type Connection } from './connection.ts'
import { encodeEntry } from './entry.ts'
import { type Gate } from './gate.ts'
import { type Keys } from './keys.ts'
import { Outbound, type Chunk } from './outbound.ts'
import { Partitioner, type SourceOf } from './partitioning.ts'
import { type Scripted, withScripts } from './scripts.ts'

export interface WriterOptions {
  readonly connection: Connection
  /** Says when the server may be written to, and why not. */
  readonly gate: Gate
  readonly keys: Keys
  readonly partitions: number
  readonly sourceOf: SourceOf
  readonly limits: QueueLimits
  readonly observability: Observability
}

// One fsync a chunk: beyond this nothing is gained, and a script must not keep the server busy for long.
const chunkMessages = 500
const chunkBytes = 1024 * 1024

export class RedisWriter implements QueueWriter {
  readonly #options: WriterOptions
  readonly #redis: Scripted
  readonly #log: Logger
  readonly #partitioner: Partitioner
  readonly #outbound: readonly Outbound[]
  readonly #dirty = new Set<number>()
  readonly #counters: QueueCounters
  readonly #hard = new AbortController()
  readonly #whenEmpty: Array<() => void> = []
  #messages = 0
  #bytes = 0
  #closed = false
  #scheduled = false

  constructor (options: WriterOptions) {
    this.#options = options
    this.#redis = withScripts(options.connection.redis)
    this.#log = options.observability.log.child({ part: 'queue' })
    this.#partitioner = new Partitioner(options.partitions, options.sourceOf)
    this.#outbound = Array.from({ length: options.partitions }, () => new Outbound())
    this.#counters = new QueueCounters(options.observability, () => this.depth)
  }

  get depth (): QueueDepth { return { messages: this.#messages, bytes: this.#bytes } }

  get breaker (): BreakerState { return this.#options.gate.breaker }

  accept (envelope: Envelope): void {
    if (this.#closed) return this.#refuse(envelope, new PulsegateError('QUEUE_CLOSED', 'the queue is closed'))
    const { limits } = this.#options
    const size = envelope.payload.length
    if (this.#messages >= limits.holdMessages || this.#bytes + size > limits.holdBytes) {
      return this.#refuse(envelope, new PulsegateError('QUEUE_FULL', `the queue holds ${this.#messages} messages, ${this.#bytes} bytes`))
    }
    this.#messages++
    this.#bytes += size
    const partition = this.#partitioner.partitionOf(envelope)
    this.#outbound[partition]?.push(envelope)
    this.#dirty.add(partition)
    if (this.#scheduled) return
    this.#scheduled = true
    setImmediate(() => this.#flush()) // what comes in one turn of the event loop goes together
  }

  /** Takes no more; resolves when all is answered, or with `signal` aborted at once, what is left settled with QUEUE_CLOSED. */
  close (signal?: AbortSignal): Promise<void> {
    this.#closed = true
    return new Promise((resolve) => {
      const stopNow = (): void => { this.#abandon() }
      this.#whenEmpty.push(() => {
        signal?.removeEventListener('abort', stopNow)
        resolve()
      })
      if (signal?.aborted === true) stopNow()
      else signal?.addEventListener('abort', stopNow, { once: true })
      this.#finishWhenEmpty()
    })
  }

  #flush (): void {
    this.#scheduled = false
    for (const partition of this.#dirty) {
      const outbound = this.#outbound[partition]
      if (outbound === undefined || outbound.busy) continue
      outbound.busy = true
      this.#send(partition, outbound).catch((err: unknown) => { this.#log.fatal({ err }, 'sending to Redis ended') })
    }
    this.#dirty.clear()
  }

  /** Sends the partition's chunks one after the other until nothing is left. */
  async #send (partition: number, outbound: Outbound): Promise<void> {
    while (!outbound.empty && !this.#hard.signal.aborted) {
      const chunk = outbound.take(chunkMessages, chunkBytes)
      this.#settle(chunk, await this.#untilAnswered(partition, chunk))
    }
    outbound.busy = false
  }

  /** Null when Redis has answered; an error when the process must stop before. */
  async #untilAnswered (partition: number, { envelopes }: Chunk): Promise<Error | null> {
    const { gate, keys } = this.#options
    const entries = envelopes.map((envelope) => encodeEntry(envelope, this.#partitioner.publisherBytes(envelope.publisher)))
    try {
      await gate.until(async () => {
        failPoints.hit('before-xadd')
        await this.#redis.pg_append(keys.stream(partition), ...entries, keys.wake, String(partition))
        failPoints.hit('after-xadd-before-puback')
      }, this.#hard.signal)
      return null
    } catch (cause) {
      if (!this.#hard.signal.aborted) this.#log.error({ err: cause }, 'a chunk of messages was given up')
      return new PulsegateError('QUEUE_CLOSED', 'the process stopped before the message was stored', { cause })
    }
  }

  #settle ({ envelopes, bytes }: Chunk, error: Error | null): void {
    this.#messages -= envelopes.length
    this.#bytes -= bytes
    this.#counters.settled(envelopes.length, error === null)
    for (const envelope of envelopes) this.#call(envelope, error)
    this.#finishWhenEmpty()
  }

  #refuse (envelope: Envelope, error: PulsegateError): void {
    this.#counters.refused(error.code)
    this.#call(envelope, error)
  }

  // one acknowledgement that throws must not keep the others from going out
  #call (envelope: Envelope, error: Error | null): void {
    try {
      envelope.settle(error)
    } catch (fault) {
      this.#log.error({ err: fault, device: envelope.publisher }, 'settling a message threw')
    }
  }

  /** What is on its way settles itself as soon as the signal reaches it. */
  #abandon (): void {
    this.#hard.abort()
    const error = new PulsegateError('QUEUE_CLOSED', 'the process stopped before the message was stored')
    for (const outbound of this.#outbound) while (!outbound.empty) this.#settle(outbound.take(chunkMessages, chunkBytes), error)
    this.#finishWhenEmpty()
  }

  #finishWhenEmpty (): void {
    if (!this.#closed || this.#messages > 0) return
    this.#counters.close()
    for (const resolve of this.#whenEmpty.splice(0)) resolve()
  }
}
