// What a proxy does to the bytes that pass it at this moment: plain state that faults change and flows read. The throttle is a
// token bucket for each direction, shared by all connections, as a line's bandwidth is.

export type Direction = 'up' | 'down'

/** At full rate this much may pass at once: a smaller one would wake a timer for every few bytes. */
const burstMs = 50

/** Tokens are bytes. `take` never waits; who gets nothing asks `waitMs` when to come again. */
export class Bucket {
  #bytesPerS: number | null = null
  #tokens = 0
  #filledAt = performance.now()

  /** null: no limit. */
  limit (rate: number | null): void {
    if (rate !== null && !(rate > 0)) throw new RangeError(`a throttle needs more than 0 bytes per second, not ${rate}`)
    this.#bytesPerS = rate
    this.#tokens = 0
    this.#filledAt = performance.now()
  }

  /** How many of `wanted` bytes may go now. */
  take (wanted: number): number {
    if (this.#bytesPerS === null) return wanted
    const now = performance.now()
    const burst = Math.max(1, this.#bytesPerS * burstMs / 1_000)
    this.#tokens = Math.min(burst, this.#tokens + (now - this.#filledAt) * this.#bytesPerS / 1_000)
    this.#filledAt = now
    const granted = Math.min(wanted, Math.floor(this.#tokens))
    this.#tokens -= granted
    return granted
  }

  /** Until at least one byte, and when the rate allows a few ms' worth, may go. */
  waitMs (): number {
    return this.#bytesPerS === null ? 0 : Math.max(10, Math.ceil(1_000 / this.#bytesPerS))
  }
}

export class Rules {
  delayMs = 0
  dropReplies = false
  /** The next chunk of a client is cut in half. */
  midFrame = false
  readonly buckets: Record<Direction, Bucket> = { up: new Bucket(), down: new Bucket() }
  readonly forwarded: Record<Direction, number> = { up: 0, down: 0 }

  /** Every byte passes again at once. */
  clear (): void {
    this.delayMs = 0
    this.dropReplies = false
    this.midFrame = false
    this.throttle(null)
  }

  throttle (bytesPerS: number | null): void {
    this.buckets.up.limit(bytesPerS)
    this.buckets.down.limit(bytesPerS)
  }
}
