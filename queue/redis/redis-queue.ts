// The queue over Redis Streams, opened for one side or both: a broker process writes, an ingest process reads, `up` does both. Waits for
// the first contact, refuses a server that does not fsync before it answers, and agrees with all others on the number of partitions.
//
// Connections: writer, reader, admin (leases, trimming) and wake (pub/sub) are apart, so that none waits behind another.
import { type Observability } from '../../runtime/observability.ts'
import { onAbort } from '../../runtime/abort.ts'
import { PulsegateError } from '../../runtime/errors.ts'
import { type CheckResult } from '../../runtime/health.ts'
import { observeBreaker } from '../../runtime/breaker-metrics.ts'
import { sleep } from '../../runtime/retry.ts'
import { defaultQueueLimits, type QueueLimits } from '../limits.ts'
import { type BatchHandler, type Envelope, type Queue } from '../queue.ts'
import { Connection, errorWord } from './connection.ts'
import { judge, readFacts } from './durability.ts'
import { Gate } from './gate.ts'
import { keysOf, type Keys } from './keys.ts'
import { recordPartitions, type SourceOf } from './partitioning.ts'
import { RedisReader } from './reader.ts'
import { ServerCheck } from './server-check.ts'
import { RedisWriter } from './writer.ts'

export interface RedisQueueOptions {
  readonly url: string
  readonly namespace: string
  /** Longest any command may take, ms. */
  readonly timeoutMs: number
  /** As configured; absent = what is recorded, or the default at the very first start. */
  readonly partitions?: number
  readonly leaseMs: number
  readonly allowWeakDurability: boolean
  /** Finds the source device in a payload (schemas/peek-source.ts). */
  readonly sourceOf: SourceOf
  readonly limits?: Partial<QueueLimits>
  readonly sides: 'write' | 'read' | 'both'
  /** Ends the wait for the first contact. */
  readonly signal: AbortSignal
  readonly observability: Observability
}

export interface RedisQueue extends Queue {
  /** For /readyz. */
  check (): CheckResult
  readonly partitions: number
}

const sayEveryMs = 10_000
const askEveryMs = 200

/** Errors: REDIS_PLAIN_REFUSED, REDIS_TLS_REFUSED, REDIS_NOT_DURABLE, REDIS_FOREIGN, CONFIG_INVALID (another number of partitions), an AbortError when `signal` aborts. */
export async function openRedisQueue (options: RedisQueueOptions): Promise<RedisQueue> {
  const log = options.observability.log.child({ part: 'queue' })
  const connect = (purpose: string): Connection => new Connection({ url: options.url, purpose, timeoutMs: options.timeoutMs, log })
  const first = connect(options.sides === 'read' ? 'admin' : 'writer')
  try {
    const keys = keysOf(options.namespace)
    const partitions = await firstContact(first, keys, options)
    return new OpenQueue(options, keys, partitions, first, connect)
  } catch (error) {
    first.close()
    throw error
  }
}

/** Waits until Redis answers; gives the number of partitions. */
async function firstContact (connection: Connection, keys: Keys, options: RedisQueueOptions): Promise<number> {
  const { log } = options.observability
  for (let saidAt = -Infinity; ;) {
    options.signal.throwIfAborted()
    try {
      const durability = judge(await connection.call(readFacts))
      if (!durability.durable && !options.allowWeakDurability) {
        throw new PulsegateError('REDIS_NOT_DURABLE', `this Redis may lose what it has acknowledged: ${durability.remedies.join('; ')}`)
      }
      return await connection.call((redis) => recordPartitions(redis, keys, options.partitions))
    } catch (error) {
      const word = errorWord(error)
      if (error instanceof PulsegateError) throw error
      if (connection.tlsFault !== null) throw new PulsegateError('REDIS_TLS_REFUSED', `Redis was not accepted: ${connection.tlsFault}`)
      if (word === 'WRONGTYPE') throw new PulsegateError('REDIS_FOREIGN', `the key ${keys.partitions} is not a number of partitions`, { cause: error })
      if (performance.now() - saidAt > sayEveryMs) {
        saidAt = performance.now()
        log.warn({ fault: connection.fault ?? `redis: ${word}` }, 'waiting for Redis')
      }
      await sleep(askEveryMs, options.signal)
    }
  }
}

class OpenQueue implements RedisQueue {
  readonly partitions: number
  readonly #writer: RedisWriter | null = null
  readonly #writeGate: Gate | null = null
  readonly #check: ServerCheck
  readonly #reader: RedisReader | null = null
  readonly #connections: Connection[]
  readonly #unobserve: Array<() => void> = []
  readonly #hard = new AbortController()
  #closing: Promise<void> | null = null

  constructor (options: RedisQueueOptions, keys: Keys, partitions: number, first: Connection, connect: (purpose: string) => Connection) {
    const { observability, allowWeakDurability, leaseMs } = options
    const log = observability.log.child({ part: 'queue' })
    const limits = { ...defaultQueueLimits, ...options.limits }
    this.partitions = partitions
    this.#connections = [first]
    this.#check = new ServerCheck({ connection: first, keys, partitions, allowWeakDurability, log, meter: observability.meter })
    if (options.sides !== 'read') {
      const gate = new Gate({ connection: first, log, barred: () => this.#check.barred() })
      this.#writeGate = gate
      this.#writer = new RedisWriter({ connection: first, gate, keys, partitions, sourceOf: options.sourceOf, limits, observability })
      this.#unobserve.push(observeBreaker(observability.meter, 'redis-write', () => gate.breaker))
    }
    if (options.sides !== 'write') {
      const reader = connect('reader')
      const wake = connect('wake')
      const admin = options.sides === 'read' ? first : connect('admin')
      this.#connections.push(reader, wake, ...(admin === first ? [] : [admin]))
      const side = new RedisReader({ connections: { reader, wake, admin }, keys, partitions, leaseMs, limits, observability })
      this.#reader = side
      this.#unobserve.push(observeBreaker(observability.meter, 'redis-read', () => side.breaker))
    }
  }

  get depth (): Queue['depth'] { return this.#writer?.depth ?? { messages: 0, bytes: 0 } }

  accept (envelope: Envelope): void {
    if (this.#writer === null) throw new TypeError('this queue was opened for reading')
    this.#writer.accept(envelope)
  }

  consume (handler: BatchHandler, options?: { concurrency?: number }): Promise<void> {
    if (this.#reader === null) return Promise.reject(new TypeError('this queue was opened for writing'))
    return this.#reader.consume(handler, options)
  }

  async untilHandled (signal: AbortSignal): Promise<void> { await this.#reader?.untilHandled(signal) }

  check (): CheckResult {
    // a worker writes no messages, but it must not look well on a server that is not what it was taken for
    const reason = this.#writeGate?.fault ?? this.#reader?.fault ?? this.#check.barred()
    const { weakness } = this.#check
    const detail = {
      ...(this.#writeGate && { writing: this.#writeGate.breaker, waiting: this.depth.messages }),
      ...(this.#reader && { reading: this.#reader.breaker, ...this.#reader.lag }),
      durable: this.#check.durable
    }
    if (reason !== null) return { ready: false, reason, detail }
    return weakness === null ? { ready: true, detail } : { ready: true, reason: `${weakness} (allowed by --allow-weak-durability)`, detail }
  }

  close (signal?: AbortSignal): Promise<void> {
    const forget = onAbort(signal, () => { this.#hard.abort() }) // also of a second call, while the first goes on softly
    this.#closing ??= this.#close(this.#hard.signal)
    return this.#closing.finally(forget)
  }

  async #close (hard: AbortSignal): Promise<void> {
    await this.#writer?.close(hard)
    // what this very process has written it also works off, if it can: in one process "acknowledged" shall mean "stored" at the end
    if (this.#writer !== null && this.#reader?.consuming === true) await this.#reader.untilHandled(hard).catch(() => {})
    await this.#reader?.close(hard)
    this.#check.close()
    for (const end of this.#unobserve) end()
    for (const connection of this.#connections) connection.close()
  }
}
