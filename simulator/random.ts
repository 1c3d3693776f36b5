// Chance that can be repeated. Everything the simulator makes up comes from here, so that one seed gives one ward, the
// same bytes included. Two kinds: a stream (draw after draw), and noise (a function of a place, which two sensors or two
// runs may ask about in any order and get the same answer).

const golden = 0x9e3779b9

/** A 32-bit hash of text and numbers: which stream or noise is meant. */
export function hash32 (...parts: ReadonlyArray<string | number>): number {
  let hash = 0x811c9dc5
  for (const part of parts) {
    for (const char of `${part}|`) hash = Math.imul(hash ^ (char.codePointAt(0) ?? 0), 0x01000193)
  }
  return mix(hash)
}

/** The finaliser of MurmurHash3: every input bit changes every output bit with probability one half. */
export function mix (value: number): number {
  let hash = value | 0
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return (hash ^ (hash >>> 16)) >>> 0
}

/** 0 ≤ x < 1 for a place on an integer line; the high part keeps places beyond 2^32 apart. */
export function uniformAt (seed: number, place: number): number {
  const high = Math.floor(place / 0x1_0000_0000)
  return mix(mix(seed ^ Math.imul(place | 0, golden)) + Math.imul(high, golden)) / 0x1_0000_0000
}

/** About normal, mean 0, variance 1, within ±3.4 (sum of four uniforms: cheap, and no outlier beyond belief). */
export function normalAt (seed: number, place: number): number {
  const sum = uniformAt(seed, place) + uniformAt(seed ^ 0x5bd1e995, place) +
    uniformAt(seed ^ 0x27d4eb2f, place) + uniformAt(seed ^ 0x165667b1, place)
  return (sum - 2) * Math.sqrt(3)
}

/** Smooth noise, -1 … 1, that wanders over about `scale`; the same `x` always gives the same value. */
export function smoothNoise (seed: number, x: number, scale: number): number {
  const place = Math.floor(x / scale)
  const part = x / scale - place
  const blend = part * part * (3 - 2 * part)
  const from = uniformAt(seed, place)
  const to = uniformAt(seed, place + 1)
  return 2 * (from + (to - from) * blend) - 1
}

/** A stream of draws (sfc32, passes PractRand): one per device or patient. */
export class Random {
  #a: number
  #b: number
  #c: number
  #count = 1

  constructor (...seed: ReadonlyArray<string | number>) {
    this.#a = hash32('a', ...seed) | 0
    this.#b = hash32('b', ...seed) | 0
    this.#c = hash32('c', ...seed) | 0
    for (let warmUp = 0; warmUp < 12; warmUp++) this.uint32()
  }

  uint32 (): number {
    const sum = (((this.#a + this.#b) | 0) + this.#count) | 0
    this.#count = (this.#count + 1) | 0
    this.#a = this.#b ^ (this.#b >>> 9)
    this.#b = (this.#c + (this.#c << 3)) | 0
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + sum) | 0
    return sum >>> 0
  }

  /** 0 ≤ x < 1 */
  uniform (): number { return this.uint32() / 0x1_0000_0000 }

  /** low ≤ x < high */
  between (low: number, high: number): number { return low + (high - low) * this.uniform() }

  /** About normal, mean 0, variance 1, within ±3.4. */
  normal (): number { return (this.uniform() + this.uniform() + this.uniform() + this.uniform() - 2) * Math.sqrt(3) }

  bytes (length: number): Buffer {
    const bytes = Buffer.alloc(length)
    for (let at = 0; at < length; at++) bytes[at] = this.uint32() >>> 24
    return bytes
  }
}
