// A histogram of latencies that costs a few integer operations a message: eight buckets to the octave of microseconds,
// so a quantile is right to an eighth. Takes durations, gives quantiles; bounded by its fixed array.

const stepsPerOctave = 8
const buckets = 32 * stepsPerOctave

export class LatencyHistogram {
  readonly #counts = new Float64Array(buckets)
  #count = 0

  get count (): number { return this.#count }

  /** Adds one duration, whole microseconds. A negative one is a 32-bit clock that came round after 35 minutes: the longest. */
  add (us: number): void {
    this.#count++
    const index = us < 0 ? buckets - 1 : bucketOf(us)
    this.#counts[index] = (this.#counts[index] as number) + 1
  }

  /** The duration, ms, that a share `q` (0..1) of all stayed at or below; null before the first. */
  quantileMs (q: number): number | null {
    if (this.#count === 0) return null
    const wanted = Math.max(1, Math.ceil(q * this.#count))
    let seen = 0
    for (let i = 0; i < buckets; i++) {
      seen += this.#counts[i] as number
      if (seen >= wanted) return upperBoundUs(i) / 1_000
    }
    return upperBoundUs(buckets - 1) / 1_000
  }
}

function bucketOf (us: number): number {
  if (us < stepsPerOctave) return us
  const octave = 31 - Math.clz32(us)
  return ((octave - 2) << 3) | ((us >>> (octave - 3)) & 7)
}

function upperBoundUs (bucket: number): number {
  if (bucket < stepsPerOctave) return bucket
  const octave = (bucket >>> 3) + 2
  return ((8 + (bucket & 7) + 1) * 2 ** (octave - 3)) - 1
}
