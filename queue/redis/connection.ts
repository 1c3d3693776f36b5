// One connection to Redis in which every wait has an end. Takes a URL and a purpose, gives calls that reject as soon as their
// connection is lost or their time is up, and never sends a command twice behind the caller's back: what to do about an unknown
// outcome is the caller's decision. Reconnects by itself, with jitter.
//
// ioredis 6.0.0: with autoResendUnfulfilledCommands off, a command whose connection is lost never settles but by its
// commandTimeout (ioredis#2193); `call` does not wait for that. A command that ran into its timeout may sit on a half-open
// socket, so the connection is made anew.
import { Redis, ReplyError } from 'ioredis'
import { type Logger } from '../../runtime/observability.ts'
import { backoffMs } from '../../runtime/retry.ts'
import { tlsFaultOf } from '../../runtime/tls-fault.ts'
import { redisStartup } from './redis-tls.ts'

export interface ConnectionOptions {
  readonly url: string
  /** Such as `writer`; shown in CLIENT LIST and in the log. */
  readonly purpose: string
  /** Longest a command may take, ms. */
  readonly timeoutMs: number
  readonly log: Logger
}

const reconnect = { baseMs: 100, capMs: 2_000 }

export class Connection {
  readonly redis: Redis
  readonly #log: Logger
  readonly #purpose: string
  readonly #waiting = new Set<(error: Error) => void>()
  readonly #onReady: Array<() => void> = []
  #ready = false
  #everReady = false
  #fault: string | null = 'redis: not connected yet'
  #closed = false
  #tlsFault: string | null = null

  /** Errors: of redisStartup. */
  constructor ({ url, purpose, timeoutMs, log }: ConnectionOptions) {
    this.#log = log
    this.#purpose = purpose
    const startup = redisStartup(url)
    this.redis = new Redis(startup.url, {
      ...startup.options,
      connectionName: `pulsegate-${purpose}`,
      protocol: 2,
      disableClientInfo: true, // CLIENT SETINFO came with Redis 7.2
      enableOfflineQueue: false,
      // whoever listens subscribes at every `onReady`; nobody would hear the end of ioredis's own attempt, and a rejection
      // that nobody hears ends the process
      autoResubscribe: false,
      autoResendUnfulfilledCommands: false,
      maxRetriesPerRequest: null,
      commandTimeout: timeoutMs,
      connectTimeout: timeoutMs,
      keepAlive: 10_000,
      retryStrategy: (times) => reconnect.baseMs / 2 + backoffMs({ ...reconnect, attempt: times - 1 })
    })
    this.redis.on('ready', () => this.#nowReady())
    this.redis.on('error', (error: Error) => {
      this.#tlsFault = tlsFaultOf(error)
      this.#lost(this.#tlsFault ?? errorWord(error))
    })
    // an attempt that failed has said why already
    this.redis.on('close', () => { if (this.#ready) this.#lost('connection lost') })
    // ioredis has given up (a cut in the middle of connecting): never without our asking
    this.redis.on('end', () => {
      if (!this.#closed) setTimeout(() => { if (!this.#closed) this.redis.connect().catch(() => {}) }, reconnect.baseMs).unref()
    })
  }

  get ready (): boolean { return this.#ready }

  /** Why the connection cannot be used; null while it can. */
  get fault (): string | null { return this.#fault }

  /** Why the server was not accepted, when the last attempt ended for that. */
  get tlsFault (): string | null { return this.#tlsFault }

  /** `act` runs at every (re)connection. It must not throw. */
  onReady (act: () => void): void {
    this.#onReady.push(act)
    if (this.#ready) act()
  }

  /** Runs one exchange with the server. Rejects with its error, at once when the connection is lost, or when time is up. */
  async call<T> (run: (redis: Redis) => Promise<T>): Promise<T> {
    if (!this.#ready) throw new RedisFault(this.#fault ?? 'redis: not connected')
    let lost: (error: Error) => void = () => {}
    const ended = new Promise<never>((_resolve, reject) => { lost = reject })
    this.#waiting.add(lost)
    try {
      return await Promise.race([run(this.redis), ended])
    } catch (error) {
      if (isTimeout(error)) this.#abandon()
      throw error
    } finally {
      this.#waiting.delete(lost)
    }
  }

  close (): void {
    this.#closed = true
    this.#lost('closed')
    this.redis.disconnect()
  }

  #nowReady (): void {
    if (this.#everReady) this.#log.info({ connection: this.#purpose }, 'connected to Redis again')
    this.#ready = this.#everReady = true
    this.#fault = this.#tlsFault = null
    for (const act of this.#onReady) act()
  }

  #lost (reason: string): void {
    const was = this.#ready
    this.#ready = false
    this.#fault = `redis: ${reason}`
    if (was && !this.#closed) this.#log.warn({ connection: this.#purpose, reason }, 'connection to Redis lost')
    for (const reject of [...this.#waiting]) reject(new RedisFault(this.#fault))
  }

  #abandon (): void {
    // once a connection: a second command that ran out of time must not cut the connection that is being made, for ioredis would
    // then give up for good
    if (!this.#ready) return
    this.#lost('no answer in time')
    this.redis.disconnect(!this.#closed) // and connect again
  }
}

/** The connection failed; the outcome of what was asked is unknown. */
export class RedisFault extends Error {}

export function isTimeout (error: unknown): boolean {
  return error instanceof Error && error.message === 'Command timed out'
}

/** Is it the server's own answer, and not a failure on the way? */
export function isAnswer (error: unknown): boolean {
  return error instanceof ReplyError
}

/** The kind of an error without its text: the server's first word (`OOM`, `MISCONF`), or Node's code. */
export function errorWord (error: unknown): string {
  if (error instanceof RedisFault) return error.message.replace(/^redis: /, '')
  const { code, message = '' } = error as NodeJS.ErrnoException
  return code ?? /^[A-Z][A-Z]+\b/.exec(message)?.[0] ?? (isTimeout(error) ? 'no answer in time' : 'error')
}

/** `error` as a reason for /readyz. */
export function describeRedisFault (error: unknown): string {
  const word = errorWord(error)
  return `redis: ${explained[word] ?? word}`
}

const explained: Readonly<Record<string, string>> = {
  OOM: 'OOM, its memory is full (maxmemory)',
  MISCONF: 'MISCONF, it cannot write its files (disk full?)',
  READONLY: 'READONLY, it is a replica',
  LOADING: 'LOADING, it reads its files after a start',
  NOAUTH: 'NOAUTH, it wants a password',
  WRONGPASS: 'WRONGPASS, it refuses the login'
}
