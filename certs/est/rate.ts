// How many requests an address may make: a bucket each, refilled steadily; a refused request costs ten. Handshakes and signatures are
// what costs a server its core; guessing a token of 256 bits is no danger, but it must not be free either. Bounded in addresses.
import { isIPv6 } from 'node:net'
import { LRUCache } from 'lru-cache'

export interface RateLimits {
  /** Requests at once. */
  readonly burst: number
  /** Requests a second that come back. */
  readonly perSecond: number
  /** What a refusal costs beyond the request itself. */
  readonly refusalCost: number
}

/** A hospital behind one address renews a thousand devices within a minute. */
export const defaultRate: RateLimits = { burst: 200, perSecond: 20, refusalCost: 10 }

const maxAddresses = 10_000

interface Bucket { left: number, atMs: number, told: boolean }

export class AddressRate {
  readonly #limits: RateLimits
  readonly #buckets = new LRUCache<string, Bucket>({ max: maxAddresses })

  constructor (limits: RateLimits) {
    this.#limits = limits
  }

  /** Takes one; false when there is none. `first` says that the address has run into the limit just now: tell of it once. */
  take (address: string, nowMs: number): { readonly ok: true } | { readonly ok: false, readonly first: boolean, readonly retryAfterS: number } {
    const bucket = this.#refilled(address, nowMs)
    if (bucket.left >= 1) {
      bucket.left--
      bucket.told = false
      return { ok: true }
    }
    const first = !bucket.told
    bucket.told = true
    return { ok: false, first, retryAfterS: Math.max(1, Math.ceil((1 - bucket.left) / this.#limits.perSecond)) }
  }

  /** A request of this address was refused. */
  refused (address: string, nowMs: number): void {
    const bucket = this.#refilled(address, nowMs)
    // a debt, but a bounded one: an address that many share must come back within a burst's time
    bucket.left = Math.max(-this.#limits.burst, bucket.left - this.#limits.refusalCost)
  }

  #refilled (address: string, nowMs: number): Bucket {
    const key = networkOf(address)
    let bucket = this.#buckets.get(key)
    if (bucket === undefined) this.#buckets.set(key, bucket = { left: this.#limits.burst, atMs: nowMs, told: false })
    bucket.left = Math.min(this.#limits.burst, bucket.left + Math.max(0, nowMs - bucket.atMs) / 1_000 * this.#limits.perSecond)
    bucket.atMs = nowMs
    return bucket
  }
}

/** An IPv6 host has a /64 to itself: that counts as one address. */
export function networkOf (address: string): string {
  const plain = address.replace(/^::ffff:(?=\d+\.\d+\.\d+\.\d+$)/i, '').replace(/%.*$/, '')
  if (!isIPv6(plain)) return plain
  const [head = '', tail] = plain.split('::')
  const left = head === '' ? [] : head.split(':')
  const right = tail === undefined || tail === '' ? [] : tail.split(':')
  const all = tail === undefined ? left : [...left, ...Array<string>(Math.max(0, 8 - left.length - right.length)).fill('0'), ...right]
  return `${all.slice(0, 4).map((group) => Number.parseInt(group, 16).toString(16)).join(':')}::/64`
}
