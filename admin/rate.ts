// How many requests somebody may make: a token bucket each, in a table with a bound. The least recently seen is forgotten first, which
// gives a bucket back full: whoever can fill the table with others (operators or addresses) gains one burst by it, not more.
import { LRUCache } from 'lru-cache'

interface Bucket { tokens: number, atMs: number }

export class RateLimiter {
  readonly #perSecond: number
  readonly #burst: number
  readonly #buckets: LRUCache<string, Bucket>

  constructor ({ perSecond, burst, entries = 10_000 }: { perSecond: number, burst: number, entries?: number }) {
    this.#perSecond = perSecond
    this.#burst = burst
    this.#buckets = new LRUCache({ max: entries })
  }

  /** 0: go on. Else how many ms until the next request of `who` is due. */
  take (who: string, nowMs: number): number {
    const bucket = this.#buckets.get(who) ?? { tokens: this.#burst, atMs: nowMs }
    bucket.tokens = Math.min(this.#burst, bucket.tokens + Math.max(0, nowMs - bucket.atMs) * this.#perSecond / 1_000)
    bucket.atMs = nowMs
    this.#buckets.set(who, bucket)
    if (bucket.tokens < 1) return Math.ceil((1 - bucket.tokens) / this.#perSecond * 1_000)
    bucket.tokens--
    return 0
  }
}
