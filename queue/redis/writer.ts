// The broker's side of the queue over Redis: takes envelopes, settles each with `null` once Redis has answered its XADD and is known
// to fsync before it answers. While Redis is away, full, or not durable, envelopes wait here, in bounded memory, and with them
// the PUBACKs; nothing is dropped. An unknown outcome is sent again: two entries of one message are one row, receipts see to that.
//
// accept ─▶ per partition, in order ─▶ chunk (one script call, one at a time a partition) ─▶ settled
import { setMaxListeners } from 'node:events'
import { onAbort } from '../../runtime/abort.ts'
import { failPoints } from '../../runtime/fail-points.ts'
import { type Logger, type Observability } from '../../runtime/observability.ts'
import { PulsegateError } from '../../runtime/errors.ts'
import { type QueueLimits } from '../limits.ts'
import { type Envelope, type QueueDepth, type QueueWriter } from '../queue.ts'
import { QueueCounters } from '../counters.ts'
import { settle } from '../settle.ts'
import { Allowance } from './allowance.ts'
import { type Connection } from './connection.ts'
import { encodeEntry } from './entry.ts'
import { type Gate } from './gate.ts'
import { type Keys } from './keys.ts'
import { Outbound, split, type Chunk } from './outbound.ts'
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
  readonly #allowance = new Allowance(chunkBytes)
  readonly #whenEmpty: Array<() => void> = []
  #messages = 0
  #bytes = 0
  #closed = false
  #scheduled = false

  constructor (options: WriterOptions) {
    this.#options = options
    setMaxListeners(0, this.#hard.signal) // every partition with something to send waits on it
    this.#redis = withScripts(options.connection.redis)
    this.#log = options.observability.log.child({ part: 'queue' })
    this.#partitioner = new Partitioner(options.partitions, options.sourceOf)
    this.#outbound = Array.from({ length: options.partitions }, () => new Outbound())
    this.#counters = new QueueCounters(options.observability, () => this.depth)
  }

  get depth (): QueueDepth { return { messages: this.#messages, bytes: this.#bytes } }

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
      const forget = onAbort(signal, () => { this.#abandon() })
      this.#whenEmpty.push(() => {
        forget()
        resolve()
      })
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
    try {
      while (!outbound.empty && !this.#hard.signal.aborted) {
        for (let rest: Chunk | null = outbound.take(chunkMessages, chunkBytes); rest !== null;) rest = await this.#sendSome(partition, rest)
      }
    } finally {
      outbound.busy = false
    }
  }

  /** Sends what the link can carry of `chunk`, settles it, and gives what is left of it. */
  async #sendSome (partition: number, chunk: Chunk): Promise<Chunk | null> {
    const { gate, keys } = this.#options
    let [now, later] = [chunk, null as Chunk | null]
    try {
      await gate.until(async () => {
        [now, later] = split(chunk, this.#allowance.bytes)
        const entries = now.envelopes.map((envelope) => encodeEntry(envelope, this.#partitioner.publisherBytes(envelope.publisher)))
        failPoints.hit('before-xadd')
        await this.#append(keys.stream(partition), entries, partition)
        failPoints.hit('after-xadd-before-puback')
      }, this.#hard.signal)
      this.#settle(now, null)
      return later
    } catch (cause) {
      if (!this.#hard.signal.aborted) this.#log.error({ err: cause }, 'a chunk of messages was given up')
      this.#settle(chunk, new PulsegateError('QUEUE_CLOSED', 'the process stopped before the message was stored', { cause }))
      return null
    }
  }

  async #append (stream: string, entries: readonly Buffer[], partition: number): Promise<void> {
    try {
      await this.#redis.pg_append(stream, ...entries, this.#options.keys.wake, String(partition))
      this.#allowance.succeeded()
    } catch (error) {
      this.#allowance.failed(error)
      throw error
    }
  }

  #settle ({ envelopes, bytes }: Chunk, error: Error | null): void {
    this.#messages -= envelopes.length
    this.#bytes -= bytes
    this.#counters.settled(envelopes.length, error === null)
    for (const envelope of envelopes) settle(envelope, error, this.#log)
    this.#finishWhenEmpty()
  }

  #refuse (envelope: Envelope, error: PulsegateError): void {
    this.#counters.refused(error.code)
    settle(envelope, error, this.#log)
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
