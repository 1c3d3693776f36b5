// A circuit breaker: when something fails again and again, stop asking and look now and then whether it is back, so
// that an outage costs neither CPU here nor a stampede there. Times come in as plain values: `clock` and `random` are the caller's.
//
//   closed    ──failuresToOpen in a row──▶ open
//   open      ──its wait is over, one caller takes the probe──▶ half-open
//   half-open ──probe succeeded──▶ closed
//   half-open ──probe failed──▶ open, with a longer wait (full jitter up to capMs)
import { backoffMs, sleep, type Backoff } from './retry.ts'

export type BreakerState = 'closed' | 'open' | 'half-open'

export interface BreakerOptions extends Backoff {
  /** Failures in a row that open it. */
  readonly failuresToOpen: number
  /** Told of each change of state. */
  readonly onChange?: (state: BreakerState) => void
  /** Monotonic ms; default performance.now. */
  readonly clock?: () => number
  readonly random?: () => number
}

/** `go`: try now, and say how it went. `wait`: not before `waitMs` are over. */
export type Turn = { readonly kind: 'go' } | { readonly kind: 'wait', readonly waitMs: number }

/** While another caller's probe is under way, the others look again after this. */
const probeWaitMs = 50

export class Breaker {
  readonly #options: BreakerOptions
  readonly #clock: () => number
  #state: BreakerState = 'closed'
  #failures = 0
  #probes = 0
  #retryAt = 0

  constructor (options: BreakerOptions) {
    this.#options = options
    this.#clock = options.clock ?? (() => performance.now())
  }

  get state (): BreakerState { return this.#state }

  /** May the caller try now? In `open`, the first to ask after the wait becomes the probe. Whoever gets `go` must call succeeded or failed. */
  turn (): Turn {
    if (this.#state === 'closed') return { kind: 'go' }
    if (this.#state === 'half-open') return { kind: 'wait', waitMs: probeWaitMs }
    const waitMs = Math.ceil(this.#retryAt - this.#clock())
    if (waitMs > 0) return { kind: 'wait', waitMs }
    this.#become('half-open')
    return { kind: 'go' }
  }

  succeeded (): void {
    this.#failures = 0
    this.#probes = 0
    this.#become('closed')
  }

  failed (): void {
    this.#failures++
    const opens = this.#state === 'half-open' || (this.#state === 'closed' && this.#failures >= this.#options.failuresToOpen)
    if (!opens) return
    // at least half the jittered bound's base, so that a lucky 0 does not turn the probe into a busy loop
    this.#retryAt = this.#clock() + Math.max(this.#options.baseMs / 2, backoffMs({ ...this.#options, attempt: this.#probes++ }))
    this.#become('open')
  }

  /** Waits until it is the caller's turn; rejects with an AbortError when `signal` aborts. Then `go` rules apply. */
  async waitForTurn (signal: AbortSignal): Promise<void> {
    for (;;) {
      signal.throwIfAborted()
      const turn = this.turn()
      if (turn.kind === 'go') return
      await sleep(turn.waitMs, signal)
    }
  }

  #become (state: BreakerState): void {
    if (state === this.#state) return
    this.#state = state
    this.#options.onChange?.(state)
  }
}
