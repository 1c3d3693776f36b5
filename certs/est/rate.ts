// How many requests a caller may make: a bucket each, refilled steadily; a refused request costs more. A caller is an address, or a device that
// has shown a certificate of ours, or such a certificate alone (payer.ts): so a device is not held up by who else is at its address, and one that renews without end holds up
// nobody else. Signatures cost a server its core; guessing a token of 256 bits is no danger, but it must not be free either. Bounded in callers.
import { LRUCache } from 'lru-cache'

export interface RateLimits {
  /** Requests at once. */
  readonly burst: number
  /** Requests a second that come back. */
  readonly perSecond: number
  /** What a refusal costs beyond the request itself. */
  readonly refusalCost: number
}

/** Of an address: a hospital behind one enrols a thousand devices within a minute. */
export const defaultRate: RateLimits = { burst: 200, perSecond: 20, refusalCost: 10 }

/** Of a device, and of each certificate whose renewal is due: it asks twice in days; with the shortest life that may be set, 10 s, twice in 6 s. */
export const defaultDeviceRate: RateLimits = { burst: 30, perSecond: 0.5, refusalCost: 1 }

const maxCallers = 20_000

interface Bucket { left: number, atMs: number, told: boolean }

export class CallerRate {
  readonly #limits: RateLimits
  readonly #buckets = new LRUCache<string, Bucket>({ max: maxCallers })

  constructor (limits: RateLimits) {
    this.#limits = limits
  }

  /** Takes one; false when there is none. `first` says that the caller has run into the limit just now: tell of it once. */
  take (caller: string, nowMs: number): { readonly ok: true } | { readonly ok: false, readonly first: boolean, readonly retryAfterS: number } {
    const bucket = this.#refilled(caller, nowMs)
    if (bucket.left >= 1) {
      bucket.left--
      bucket.told = false
      return { ok: true }
    }
    const first = !bucket.told
    bucket.told = true
    return { ok: false, first, retryAfterS: Math.max(1, Math.ceil((1 - bucket.left) / this.#limits.perSecond)) }
  }

  /** A request of this caller was refused. */
  refused (caller: string, nowMs: number): void {
    const bucket = this.#refilled(caller, nowMs)
    // a debt, but a bounded one: an address that many share must come back within a burst's time
    bucket.left = Math.max(-this.#limits.burst, bucket.left - this.#limits.refusalCost)
  }

  #refilled (caller: string, nowMs: number): Bucket {
    let bucket = this.#buckets.get(caller)
    if (bucket === undefined) this.#buckets.set(caller, bucket = { left: this.#limits.burst, atMs: nowMs, told: false })
    bucket.left = Math.min(this.#limits.burst, bucket.left + Math.max(0, nowMs - bucket.atMs) / 1_000 * this.#limits.perSecond)
    bucket.atMs = nowMs
    return bucket
  }
}
