// A set of sequence numbers as few ranges: a device's acknowledged messages are one range for months, whatever its count.
// Used by the ledger, so that hours of running cost no memory per message.

export class Ranges {
  // ascending, disjoint, never touching; [from, to] inclusive
  readonly #ranges: Array<[number, number]> = []
  #size = 0

  get size (): number { return this.#size }

  /** Adds `value`; false when it was there already. */
  add (value: number): boolean {
    const at = this.#indexAfter(value)
    const before = this.#ranges[at - 1]
    const after = this.#ranges[at]
    if (before && value <= before[1]) return false
    const joinsBefore = before !== undefined && before[1] + 1 === value
    const joinsAfter = after !== undefined && after[0] - 1 === value
    if (joinsBefore && joinsAfter) {
      before[1] = after[1]
      this.#ranges.splice(at, 1)
    } else if (joinsBefore) before[1] = value
    else if (joinsAfter) after[0] = value
    else this.#ranges.splice(at, 0, [value, value])
    this.#size++
    return true
  }

  has (value: number): boolean {
    const before = this.#ranges[this.#indexAfter(value) - 1]
    return before !== undefined && value <= before[1]
  }

  /** [from, to], both inclusive, ascending. */
  toArray (): Array<[number, number]> {
    return this.#ranges.map(([from, to]) => [from, to])
  }

  /** Index of the first range that begins after `value`; looks at the end first, where nearly every call lands. */
  #indexAfter (value: number): number {
    const last = this.#ranges.at(-1)
    if (!last || last[0] <= value) return this.#ranges.length
    let low = 0
    let high = this.#ranges.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((this.#ranges[middle]?.[0] ?? Infinity) <= value) low = middle + 1
      else high = middle
    }
    return low
  }
}
