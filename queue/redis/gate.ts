// Through here goes everything that must reach Redis sooner or later: tried until it is answered, behind one circuit breaker, and only
// while the server is known to be what it was taken for. Says in the meantime why the queue is not ready.
import { orAborted } from '../../runtime/abort.ts'
import { Breaker, type BreakerState } from '../../runtime/breaker.ts'
import { type Logger } from '../../runtime/observability.ts'
import { backoffMs, sleep } from '../../runtime/retry.ts'
import { type Connection, describeRedisFault, errorWord, RedisFault } from './connection.ts'

// a reconnect takes some 100 ms, a restart of the server a second; two seconds keep the recovery short
const backoff = { baseMs: 50, capMs: 2_000 }

const ofOneKey = new Set(['NOGROUP', 'WRONGTYPE'])

export interface GateOptions {
  readonly connection: Connection
  readonly log: Logger
  /** Why this server must not be used although it answers; null when it may. */
  readonly barred?: () => string | null
  readonly random?: () => number
}

export class Gate {
  readonly #options: GateOptions
  readonly #breaker: Breaker
  #fault: string | null = null

  constructor (options: GateOptions) {
    this.#options = options
    this.#breaker = new Breaker({
      ...backoff,
      failuresToOpen: 3,
      onChange: (state) => { options.log.debug({ state }, 'Redis circuit breaker') },
      ...(options.random && { random: options.random })
    })
    // what was wrong with the connection before need not be wrong with this one
    options.connection.onReady(() => { this.#fault = null })
  }

  get breaker (): BreakerState { return this.#breaker.state }

  /** Why nothing can be written at present; null when it can. */
  get fault (): string | null { return this.#options.barred?.() ?? this.#options.connection.fault ?? this.#fault }

  /** Runs `work` until it succeeds; rejects when `signal` aborts. `work` may run more often than it is answered. */
  async until<T> (work: () => Promise<T>, signal: AbortSignal): Promise<T> {
    for (let attempt = 0; ; attempt++) {
      await this.#breaker.waitForTurn(signal)
      try {
        const barred = this.#options.barred?.() ?? null
        if (barred !== null) throw new Error(barred)
        const result = await orAborted(this.#options.connection.call(work), signal)
        this.#breaker.succeeded()
        this.#recovered()
        return result
      } catch (error) {
        this.#breaker.failed()
        signal.throwIfAborted()
        this.#failed(error)
        if (this.#breaker.state === 'closed') await sleep(backoffMs({ ...backoff, attempt }), signal)
      }
    }
  }

  /** Runs `work` once, when it is this caller's turn; for what somebody asks for again anyway. */
  async once<T> (work: () => Promise<T>): Promise<T> {
    const turn = this.#breaker.turn()
    if (turn.kind === 'wait') throw new RedisFault('redis: circuit breaker open')
    try {
      const result = await this.#options.connection.call(work)
      this.#breaker.succeeded()
      this.#recovered()
      return result
    } catch (error) {
      // what is wrong with one key says nothing against the server
      if (ofOneKey.has(errorWord(error))) this.#breaker.succeeded()
      else {
        this.#breaker.failed()
        this.#failed(error)
      }
      throw error
    }
  }

  #failed (error: unknown): void {
    const fault = this.#options.barred?.() ?? describeRedisFault(error)
    if (fault === this.#fault) return
    this.#fault = fault
    // once per kind of fault, not once per attempt
    this.#options.log.warn({ fault }, 'Redis did not take it, trying again')
  }

  #recovered (): void {
    if (this.#fault === null) return
    this.#options.log.info({ fault: this.#fault }, 'Redis takes messages again')
    this.#fault = null
  }
}
