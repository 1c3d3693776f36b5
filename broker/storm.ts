// A storm of the same event told as one with a count: the first few of a second go through one by one, the rest are folded
// together and told every few seconds. Pure but for what it holds: takes events under a key with the time, says which to tell.
// Memory is bounded by the number of keys, which is the caller's to bound.

/** Events of one key that were folded into one. */
export interface Fold<T> {
  readonly event: T
  readonly count: number
  readonly firstMs: number
  readonly lastMs: number
}

interface Cell<T> {
  second: number
  told: number
  folded: T | null
  count: number
  firstMs: number
  lastMs: number
}

export class Storm<T> {
  readonly #foldMs: number
  readonly #merge: (a: T, b: T) => T
  readonly #cells = new Map<string, Cell<T>>()

  /** `foldMs`: how long events are gathered into one; `merge`: the one event that stands for both. */
  constructor (foldMs: number, merge: (a: T, b: T) => T) {
    this.#foldMs = foldMs
    this.#merge = merge
  }

  /** True: tell this one now. False: it has been folded, and `due` will give it. At most `perSecond` of a key are true. */
  take (key: string, event: T, perSecond: number, nowMs: number): boolean {
    const cell = this.#cell(key)
    const second = Math.floor(nowMs / 1_000)
    if (second !== cell.second) {
      cell.second = second
      cell.told = 0
    }
    if (cell.told < perSecond) {
      cell.told++
      return true
    }
    if (cell.folded === null) cell.firstMs = nowMs
    cell.folded = cell.folded === null ? event : this.#merge(cell.folded, event)
    cell.count++
    cell.lastMs = nowMs
    return false
  }

  /** What was gathered for long enough; with `all`, everything. Each is given once. */
  due (nowMs: number, all = false): Array<Fold<T>> {
    const folds: Array<Fold<T>> = []
    for (const cell of this.#cells.values()) {
      if (cell.folded === null || (!all && nowMs - cell.firstMs < this.#foldMs)) continue
      folds.push({ event: cell.folded, count: cell.count, firstMs: cell.firstMs, lastMs: cell.lastMs })
      cell.folded = null
      cell.count = 0
    }
    return folds
  }

  #cell (key: string): Cell<T> {
    let cell = this.#cells.get(key)
    if (cell === undefined) {
      cell = { second: -1, told: 0, folded: null, count: 0, firstMs: 0, lastMs: 0 }
      this.#cells.set(key, cell)
    }
    return cell
  }
}
