// Keeps knowing whether the server behind a connection is the one it was taken for: durable, and holding our number of partitions. Looks
// at every (re)connection before anything else is sent, and every few seconds after that, because a server may be replaced by an
// empty one and a setting changed. What it finds is asked of it from memory, before each write.
import { type Logger, type Meter } from '../../runtime/observability.ts'
import { PulsegateError } from '../../runtime/errors.ts'
import { describeRedisFault, type Connection } from './connection.ts'
import { type Durability, judge, readFacts } from './durability.ts'
import { type Keys } from './keys.ts'
import { recordPartitions } from './partitioning.ts'

export interface ServerCheckOptions {
  readonly connection: Connection
  readonly keys: Keys
  readonly partitions: number
  /** Write although an acknowledged message could be lost in a power cut. */
  readonly allowWeakDurability: boolean
  readonly log: Logger
  readonly meter: Meter
  readonly everyMs?: number
}

export class ServerCheck {
  readonly #options: ServerCheckOptions
  readonly #timer: NodeJS.Timeout
  readonly #unobserve: () => void
  #checked: Durability | null = null
  #fault: string | null = null
  #said = ''
  #looking: Promise<void> | null = null

  constructor (options: ServerCheckOptions) {
    this.#options = options
    const { connection, meter, everyMs = 5_000 } = options
    connection.redis.on('close', () => { this.#checked = null })
    connection.onReady(() => { this.#look() })
    this.#timer = setInterval(() => { if (connection.ready) this.#look() }, everyMs).unref()
    const durable = meter.createObservableGauge('pulsegate_redis_durable', { description: '1: what Redis answers is on disk; 0: it is not, or nobody knows' })
    const observe: Parameters<typeof durable.addCallback>[0] = (result) => { result.observe(this.durable ? 1 : 0) }
    durable.addCallback(observe)
    this.#unobserve = () => { durable.removeCallback(observe) }
  }

  get durable (): boolean { return this.#checked?.durable === true }

  /** What is weak about it, whether that is allowed or not; null when nothing is. */
  get weakness (): string | null {
    return this.#checked === null || this.#checked.durable ? null : `redis is not durable: ${this.#checked.remedies.join('; ')}`
  }

  /** Why nothing must be written; null when it may. */
  barred (): string | null {
    if (this.#checked === null) return this.#fault ?? this.#options.connection.fault ?? 'redis: its settings are being read'
    return this.#options.allowWeakDurability ? null : this.weakness
  }

  close (): void {
    clearInterval(this.#timer)
    this.#unobserve()
  }

  #look (): void {
    this.#looking ??= this.#read().finally(() => { this.#looking = null })
  }

  async #read (): Promise<void> {
    const { connection, keys, partitions } = this.#options
    try {
      const durability = judge(await connection.call(readFacts))
      // an emptied server must learn the number again; one that holds another is not ours
      await connection.call((redis) => recordPartitions(redis, keys, partitions))
      this.#checked = durability
      this.#fault = null
    } catch (error) {
      this.#checked = null
      this.#fault = error instanceof PulsegateError ? `redis: ${error.message}` : describeRedisFault(error)
    }
    this.#say(this.#fault ?? this.weakness ?? 'durable')
  }

  #say (state: string): void {
    if (state === this.#said) return
    const { log, allowWeakDurability } = this.#options
    if (state === 'durable') {
      if (this.#said !== '') log.info('Redis is durable: what it answers is on disk')
    } else if (this.weakness === null) log.warn({ fault: state }, 'the settings of Redis cannot be read')
    else if (allowWeakDurability) log.warn({ weakness: state }, 'Redis is not durable and that was allowed: a power cut may lose acknowledged messages')
    else log.error({ weakness: state }, 'Redis is not durable: nothing is written and nothing acknowledged until it is')
    this.#said = state
  }
}
