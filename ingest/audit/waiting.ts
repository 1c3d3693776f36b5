// The events of one process that are not in the chain yet: a bounded queue, oldest first. An event may have somebody who waits for its
// commit, and who stops waiting after a while.
import { type AuditEvent } from '../../runtime/audit.ts'
import { type StampedEvent } from './event.ts'

export interface Entry {
  readonly event: AuditEvent
  readonly stamped: StampedEvent
  readonly sinceMs: number
  /** Told once: null when committed. */
  readonly settle?: (error: Error | null) => void
}

export class Waiting {
  readonly #bound: number
  #entries: Entry[] = []
  #inHand = 0

  constructor (bound: number) { this.#bound = bound }

  get size (): number { return this.#entries.length }
  get full (): boolean { return this.#entries.length >= this.#bound }

  /** How long the oldest has been waiting, ms. */
  ageMs (nowMs: number): number {
    const [oldest] = this.#entries
    return oldest === undefined ? 0 : nowMs - oldest.sinceMs
  }

  push (entry: Entry): void { this.#entries.push(entry) }

  /** The oldest, at most so many; they stay until `done`. */
  first (count: number): Entry[] {
    const batch = this.#entries.slice(0, count)
    this.#inHand = batch.length
    return batch
  }

  /** The batch given last is dealt with. */
  done (): void {
    this.#entries.splice(0, this.#inHand)
    this.#inHand = 0
  }

  /** The batch given last is to be given again; without those that nobody wants any more. */
  again (unwanted: (entry: Entry) => boolean): void {
    this.#entries = this.#entries.filter((entry, index) => index >= this.#inHand || !unwanted(entry))
    this.#inHand = 0
  }

  /** Takes one out, unless it is being written just now; says whether it did. */
  withdraw (entry: Entry): boolean {
    const index = this.#entries.indexOf(entry)
    if (index < this.#inHand) return false
    this.#entries.splice(index, 1)
    return true
  }

  /** All of them, and none is left. */
  takeAll (): Entry[] { return this.#entries.splice(0) }
}
