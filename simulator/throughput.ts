// How many a second, lately: counts in one-second slots, averaged over the last five whole ones. Constant memory.

const slots = 6

export class Throughput {
  readonly #counts = new Float64Array(slots)
  readonly #seconds = new Float64Array(slots).fill(-1)
  #sinceS: number | null = null

  /** One happened at `nowMs` of a monotonic clock. */
  count (nowMs: number): void {
    const second = Math.floor(nowMs / 1_000)
    const slot = second % slots
    this.#sinceS ??= second
    if (this.#seconds[slot] !== second) {
      this.#seconds[slot] = second
      this.#counts[slot] = 0
    }
    this.#counts[slot] = (this.#counts[slot] ?? 0) + 1
  }

  /** A second, over the last five whole seconds (fewer at the start). */
  perSecond (nowMs: number): number {
    if (this.#sinceS === null) return 0
    const second = Math.floor(nowMs / 1_000)
    const whole = Math.min(slots - 1, second - this.#sinceS)
    if (whole < 1) return 0
    let sum = 0
    for (let slot = 0; slot < slots; slot++) {
      const at = this.#seconds[slot] ?? -1
      if (at >= second - whole && at < second) sum += this.#counts[slot] ?? 0
    }
    return sum / whole
  }
}
