// How long acknowledgements take, in fixed buckets: constant memory however long it runs, and percentiles within 10 %.
// Taken from device connections (publish → PUBACK), read by stats.

// Each bucket is 10 % wider than the one before; 160 of them reach from 0.1 ms to about 6 minutes.
const lowestMs = 0.1
const growth = 1.1
const bucketCount = 160

export class LatencyHistogram {
  readonly #counts = new Float64Array(bucketCount)
  #total = 0

  get count (): number { return this.#total }

  record (ms: number): void {
    const bucket = ms <= lowestMs ? 0 : Math.ceil(Math.log(ms / lowestMs) / Math.log(growth))
    const index = Math.min(bucket, bucketCount - 1)
    this.#counts[index] = (this.#counts[index] ?? 0) + 1
    this.#total++
  }

  /** The upper edge, in ms, of the bucket that holds the `share` quantile (0 … 1); null when nothing was recorded. */
  quantileMs (share: number): number | null {
    if (this.#total === 0) return null
    let left = Math.max(1, Math.ceil(share * this.#total))
    for (let bucket = 0; bucket < bucketCount; bucket++) {
      left -= this.#counts[bucket] ?? 0
      if (left <= 0) return Number((lowestMs * growth ** bucket).toPrecision(3))
    }
    return null
  }
}
