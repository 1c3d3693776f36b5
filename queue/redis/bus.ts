// The way between brokers: Redis pub/sub on `<ns>:events`, and the set `<ns>:revoked` for brokers that start later. Takes a URL and a
// namespace, gives Peers (queue/peers.ts) with a fault and a close. Two connections: one listens, one speaks. Both are asked for a
// sign of life every second, so a half-open one is noticed; the way is open while both answer, and each time it opens
// everything is told and asked for again, because pub/sub keeps nothing for who is away.
import { Redis, ReplyError } from 'ioredis'
import { type Observability } from '../../runtime/observability.ts'
import { backoffMs } from '../../runtime/retry.ts'
import { maxSharedRevocations, type CertificateUse, type PeerListener, type Peers, type SessionMark } from '../peers.ts'
import { type BusMessage, decodeBusMessage, encodeBusMessage, isSerial } from './bus-messages.ts'
import { Telling } from './bus-telling.ts'
import { redisStartup } from './redis-tls.ts'

export interface BusOptions {
  /** redis:// or rediss:// */
  readonly url: string
  readonly namespace: string
  /** Longest Redis may take over a command or a connect; then the connection is made anew. */
  readonly timeoutMs: number
  /** Unique among all brokers that were ever started. */
  readonly brokerId: string
  readonly observability: Observability
}

export interface Bus extends Peers {
  /** Why other brokers may not be heard or do not hear, null while they do. Names no secret. */
  readonly fault: string | null
  close (): void
}

const beatEveryMs = 1_000
const reconnect = { baseMs: 100, capMs: 2_000 }

/** Connects in the background, so it also succeeds while Redis is away. */
export function openBus (options: BusOptions): Bus {
  return new RedisBus(options)
}

class RedisBus implements Bus {
  readonly brokerId: string
  readonly #log: Observability['log']
  readonly #channel: string
  readonly #revokedKey: string
  readonly #ear: Redis
  readonly #mouth: Redis
  readonly #telling: Telling
  readonly #beat: NodeJS.Timeout
  readonly #unobserve: () => void
  readonly #counts = { sent: 0, received: 0, ignored: 0 }
  #listener: PeerListener | null = null
  #subscribed = false
  #open = false
  #closed = false
  /** Of the outage that goes on, or of the start. */
  #lastError = 'has not been reached yet'
  #loggedAway = false

  constructor ({ url, namespace, timeoutMs, brokerId, observability }: BusOptions) {
    this.brokerId = brokerId
    this.#log = observability.log.child({ part: 'bus' })
    this.#channel = `${namespace}:events`
    this.#revokedKey = `${namespace}:revoked`
    this.#ear = this.#connect(url, timeoutMs, 'pulsegate-bus-listens')
    this.#mouth = this.#connect(url, timeoutMs, 'pulsegate-bus-speaks')
    this.#telling = new Telling({
      sayBegun: async (sessions) => this.#say({ from: brokerId, type: 'begun', sessions }),
      sayUsed: async (uses) => this.#say({ from: brokerId, type: 'used', uses }),
      sayRevoked: async (serials) => this.#say({ from: brokerId, type: 'revoked', serials }),
      kept: () => this.#kept(),
      keep: async (serials) => this.#keep(serials)
    }, () => this.#listener, (error) => { this.#broke(this.#mouth, error) })
    this.#ear.on('message', (channel, text) => { if (channel === this.#channel) this.#heard(text) })
    this.#ear.on('ready', () => { this.#subscribe().catch((error: unknown) => { this.#broke(this.#ear, error) }) })
    this.#ear.on('close', () => { this.#subscribed = false })
    this.#mouth.on('ready', () => { this.#look() })
    for (const redis of [this.#ear, this.#mouth]) {
      redis.on('error', (error) => { this.#lastError = describe(error) })
      redis.on('close', () => {
        this.#look()
        this.#logAway()
      })
    }
    this.#beat = setInterval(() => { this.#askForLife() }, beatEveryMs).unref()
    this.#unobserve = this.#observe(observability.meter)
  }

  get fault (): string | null {
    if (this.#open) return this.#telling.fault
    return `other brokers are not heard and do not hear: Redis ${this.#lastError}`
  }

  begun (session: SessionMark): void { this.#telling.begun(session) }

  used (use: CertificateUse): void { this.#telling.used(use) }

  revoked (serials: readonly string[]): void { this.#telling.revoked(serials) }

  listen (listener: PeerListener): () => void {
    this.#listener = listener
    if (this.#open) this.#telling.open()
    return () => { if (this.#listener === listener) this.#listener = null }
  }

  close (): void {
    this.#closed = true
    this.#listener = null
    clearInterval(this.#beat)
    this.#telling.close()
    this.#ear.disconnect()
    this.#mouth.disconnect()
    this.#unobserve()
  }

  #connect (url: string, timeoutMs: number, connectionName: string): Redis {
    const startup = redisStartup(url)
    return new Redis(startup.url, {
      ...startup.options,
      connectionName,
      protocol: 2,
      disableClientInfo: true, // CLIENT SETINFO came with Redis 7.2
      connectTimeout: timeoutMs,
      commandTimeout: timeoutMs,
      enableOfflineQueue: false,
      // what was in flight when a connection broke is told again as a whole, not resent; it fails at once
      autoResendUnfulfilledCommands: false,
      maxRetriesPerRequest: 0,
      autoResubscribe: false, // #subscribe does, and knows when it is done
      retryStrategy: (times) => 20 + backoffMs({ ...reconnect, attempt: times - 1 })
    })
  }

  async #subscribe (): Promise<void> {
    await this.#ear.subscribe(this.#channel)
    this.#subscribed = true
    this.#look()
  }

  /** Is the way open? Acts on each change. */
  #look (): void {
    const open = !this.#closed && this.#subscribed && this.#ear.status === 'ready' && this.#mouth.status === 'ready'
    if (open === this.#open) return
    this.#open = open
    if (open) {
      this.#loggedAway = false
      this.#lastError = 'has closed the connection' // until an error says more
      this.#log.info('other brokers can be heard; what may have been missed is told again')
      this.#telling.open()
    } else this.#telling.close()
  }

  #logAway (): void {
    if (this.#loggedAway || this.#closed) return
    this.#loggedAway = true
    this.#log.warn({ error: this.#lastError }, 'other brokers cannot be heard until Redis is back; a device may have a session at each meanwhile')
  }

  /** A command failed: a connection that does not answer is made anew; one that is told no tries again in its own time. */
  #broke (redis: Redis, error: unknown): void {
    if (this.#closed) return
    this.#lastError = describe(error)
    const anew = (): void => { if (!this.#closed && redis.status === 'ready') redis.disconnect(true) }
    if (error instanceof ReplyError) setTimeout(anew, beatEveryMs).unref()
    else anew()
    if (this.#open) {
      this.#open = false
      this.#telling.close()
      this.#logAway()
    }
  }

  #askForLife (): void {
    for (const redis of [this.#ear, this.#mouth]) {
      if (redis.status === 'ready') redis.ping().catch((error: unknown) => { this.#broke(redis, error) })
    }
  }

  async #say (message: BusMessage): Promise<void> {
    await this.#mouth.publish(this.#channel, encodeBusMessage(message))
    this.#counts.sent++
  }

  #heard (text: string): void {
    const message = decodeBusMessage(text)
    if (message === null) { this.#counts.ignored++; return }
    if (message.from === this.brokerId) return
    this.#counts.received++
    if (message.type === 'begun') this.#listener?.begun(message.sessions, message.from)
    else if (message.type === 'used') this.#listener?.used(message.uses)
    else this.#listener?.revoked(message.serials)
  }

  async * #kept (): AsyncGenerator<string[]> {
    let cursor = '0'
    do {
      const [next, members] = await this.#mouth.sscan(this.#revokedKey, cursor, 'COUNT', 1_000)
      cursor = next
      yield members.filter(isSerial)
    } while (cursor !== '0')
  }

  async #keep (serials: readonly string[]): Promise<string | null> {
    try {
      if (await this.#mouth.scard(this.#revokedKey) + serials.length > maxSharedRevocations) return this.#notKept('it holds as many as it may')
      await this.#mouth.sadd(this.#revokedKey, ...serials)
      return null
    } catch (error) {
      if (error instanceof ReplyError) return this.#notKept(describe(error))
      throw error
    }
  }

  #notKept (why: string): string {
    this.#log.error({ key: this.#revokedKey, why }, 'revocations were told to the other brokers, but are not kept for those that start later')
    return `revocations are not kept in Redis for brokers that start later: ${why}`
  }

  #observe (meter: Observability['meter']): () => void {
    const messages = meter.createObservableCounter('pulsegate_broker_peer_messages', { description: 'Messages between brokers: sent, received from others, ignored because malformed or of another version' })
    const open = meter.createObservableGauge('pulsegate_broker_peers_open', { description: '1 while other brokers can be heard and hear' })
    const read: Parameters<typeof meter.addBatchObservableCallback>[0] = (result) => {
      for (const [direction, count] of Object.entries(this.#counts)) result.observe(messages, count, { direction })
      result.observe(open, this.#open ? 1 : 0)
    }
    meter.addBatchObservableCallback(read, [messages, open])
    return () => { meter.removeBatchObservableCallback(read, [messages, open]) }
  }
}

/** ioredis names no password in its messages; of those of the server the first word is the code. */
function describe (error: unknown): string {
  if (!(error instanceof Error)) return 'failed'
  if (error instanceof ReplyError) return `says ${error.message.split(' ', 1)[0]}`
  return (error as NodeJS.ErrnoException).code ?? error.message
}
