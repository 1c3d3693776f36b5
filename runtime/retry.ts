// When to try again: full-jitter exponential back-off (a pure function of plain values), a sleep that a signal ends, and
// a loop over both. Jitter matters: a thousand devices or workers that lost the same database must not come back together.
import { setTimeout as delay } from 'node:timers/promises'

export interface Backoff {
  /** Upper bound of the first wait, ms. */
  readonly baseMs: number
  /** Upper bound of every wait, ms. */
  readonly capMs: number
}

/** A wait in ms, evenly spread over 0 .. min(capMs, baseMs · 2^attempt); `attempt` counts from 0, `random` gives 0 ≤ x < 1. */
export function backoffMs ({ attempt, baseMs, capMs, random = Math.random }: Backoff & { attempt: number, random?: () => number }): number {
  // 2^30 is beyond any cap; bounding the exponent keeps the product finite
  return Math.floor(random() * Math.min(capMs, baseMs * 2 ** Math.min(attempt, 30)))
}

/** Resolves after `ms`; rejects with an AbortError as soon as `signal` aborts. */
export async function sleep (ms: number, signal?: AbortSignal): Promise<void> {
  await delay(ms, undefined, signal ? { signal } : {})
}

export interface RetryOptions extends Backoff {
  /** Ends the loop: the sleep rejects with an AbortError, an error of `attempt` in flight is passed on. */
  readonly signal: AbortSignal
  /** False: give the error to the caller at once. */
  readonly retryable: (error: unknown) => boolean
  /** Told before each wait; `attempt` counts from 0. */
  readonly onRetry?: (about: { error: unknown, attempt: number, waitMs: number }) => void
  readonly random?: () => number
}

/** Calls `run` until it succeeds, throws something not retryable, or `signal` aborts. */
export async function retry<T> (run: (signal: AbortSignal) => Promise<T>, options: RetryOptions): Promise<T> {
  const { signal, retryable, onRetry, ...backoff } = options
  for (let attempt = 0; ; attempt++) {
    signal.throwIfAborted()
    try {
      return await run(signal)
    } catch (error) {
      if (signal.aborted || !retryable(error)) throw error
      const waitMs = backoffMs({ ...backoff, attempt })
      onRetry?.({ error, attempt, waitMs })
      await sleep(waitMs, signal)
    }
  }
}
