// What a device does over time, as a list of acts with a due time each; the simulator's wheel runs them. Times are the
// simulator's clock (ms since 1970 UTC, advancing with the monotonic clock), so nothing here has a timer of its own.
import { type OutMessage } from './outbox.ts'
import { type Source } from './source.ts'

export interface Routine {
  readonly source: Source
  /** Will it come to an end by itself? */
  readonly finite: boolean
  /** When the next act is due; null = nothing more to do. */
  readonly dueMs: number | null
  /** Does what is due; null = there was nothing to say. */
  act (nowMs: number): OutMessage | null
}

// A device asleep for longer than this (a stopped process) does not make up for it: its readings have a hole, as a real one's have.
const catchUpMs = 60_000
// A device that measures rarely still gives its first reading soon after it was switched on.
const firstAfterMs = 1_000

/** Switched on at the source's boot: says birth at once, then measures every `periodMs`, for ever. */
export class MeasureRoutine implements Routine {
  readonly source: Source
  readonly finite = false
  readonly #periodMs: number
  #born = false
  // measuring number n is due at firstMs + n * periodMs: counted from the first, so that 3 a second stay 3 a second in whole ms
  #firstMs: number
  #measured = 0
  #dueMs: number

  constructor (source: Source, periodMs: number) {
    this.source = source
    this.#periodMs = periodMs
    this.#dueMs = source.bootedAtMs
    this.#firstMs = source.bootedAtMs + Math.min(periodMs, firstAfterMs)
  }

  get dueMs (): number { return this.#dueMs }

  act (nowMs: number): OutMessage | null {
    const dueMs = this.#dueMs
    if (!this.#born) {
      this.#born = true
      this.#dueMs = Math.round(this.#firstMs)
      return this.source.birth()
    }
    if (nowMs - dueMs > catchUpMs) {
      this.source.sleepUntil(nowMs)
      this.#firstMs = nowMs + this.#periodMs
      this.#measured = 0
      this.#dueMs = Math.round(this.#firstMs)
      return null
    }
    this.#measured++
    this.#dueMs = Math.round(this.#firstMs + this.#measured * this.#periodMs)
    return this.source.measure(dueMs)
  }
}
