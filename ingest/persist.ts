// Keeps trying what needs the database, until it is done or the process has no more time. Transient errors wait behind one
// circuit breaker for all of the worker, with full jitter; an error that only a person can mend (a missing right, a missing
// table) is tried again slowly, so that mending it is enough. Takes a piece of work, promises its result, and says in the meantime
// why the worker is not ready.
import { orAborted } from '../runtime/abort.ts'
import { Breaker, type BreakerState } from '../runtime/breaker.ts'
import { type Logger } from '../runtime/observability.ts'
import { backoffMs, sleep } from '../runtime/retry.ts'
import { PulsegateError } from '../runtime/errors.ts'
import { classify, describeFault } from './sqlstate.ts'

// the first retry is almost at once (a fail-over takes seconds, a deadlock nothing); two seconds keep the recovery short
const backoff = { baseMs: 100, capMs: 2_000 }
const stoppedRetryMs = 5_000

export class Persist {
  readonly #log: Logger
  readonly #signal: AbortSignal
  readonly #onRetry: () => void
  readonly #breaker: Breaker
  #fault: string | null = null

  constructor (log: Logger, signal: AbortSignal, onRetry: () => void) {
    this.#log = log
    this.#signal = signal
    this.#onRetry = onRetry
    this.#breaker = new Breaker({ ...backoff, failuresToOpen: 3, onChange: (state) => { log.debug({ state }, 'database circuit breaker') } })
  }

  get breaker (): BreakerState { return this.#breaker.state }

  /** Why nothing can be stored at present; null when it can. */
  get fault (): string | null { return this.#fault }

  /** Runs `work` until it succeeds. Rejects with QUEUE_CLOSED when the signal aborts. */
  async until<T> (work: () => Promise<T>): Promise<T> {
    for (let attempt = 0; ; attempt++) {
      await this.#wait(this.#breaker.waitForTurn(this.#signal))
      try {
        const result = await orAborted(work(), this.#signal)
        this.#breaker.succeeded()
        this.#recovered()
        return result
      } catch (error) {
        this.#breaker.failed()
        if (this.#signal.aborted) throw stopped(error)
        this.#failed(error)
        const waitMs = classify(error) === 'transient' ? backoffMs({ ...backoff, attempt }) : stoppedRetryMs
        // the breaker waits by itself once it is open
        if (this.#breaker.state === 'closed' || classify(error) !== 'transient') await this.#wait(sleep(waitMs, this.#signal))
      }
    }
  }

  async #wait (waiting: Promise<void>): Promise<void> {
    try {
      await waiting
    } catch (error) {
      if (!this.#signal.aborted) throw error
      throw stopped(error)
    }
  }

  #failed (error: unknown): void {
    this.#onRetry()
    const verdict = classify(error)
    const fault = describeFault(error)
    if (fault === this.#fault) return
    this.#fault = fault
    // once per kind of fault, not once per attempt
    if (verdict === 'transient') this.#log.warn({ fault, verdict }, 'the batch could not be stored, trying again')
    else this.#log.error({ fault, verdict, err: error }, 'nothing can be stored until this is mended')
  }

  #recovered (): void {
    if (this.#fault === null) return
    this.#log.info({ fault: this.#fault }, 'storing again')
    this.#fault = null
  }
}

function stopped (cause: unknown): PulsegateError {
  return new PulsegateError('QUEUE_CLOSED', 'the process stopped before the batch was stored', { cause })
}
