// Coalesces acknowledgements: uplinks that have something due are put on one list, and the list is worked off once per
// turn of the event loop, after all sockets of the turn were read. So a commit of 1,000 messages over 50 connections
// costs 50 writes. Afterwards the freed budget is shared out.
import { type Budget } from './budget.ts'

export interface Flushable {
  dirty: boolean
  flush (nowUs: number): void
}

export class Flusher {
  readonly #budget: Budget
  #dirty: Flushable[] = []
  #spare: Flushable[] = []
  #scheduled = false
  readonly #run = (): void => this.#flush()

  constructor (budget: Budget) {
    this.#budget = budget
  }

  add (flushable: Flushable): void {
    flushable.dirty = true
    this.#dirty.push(flushable)
    this.schedule()
  }

  schedule (): void {
    if (this.#scheduled) return
    this.#scheduled = true
    setImmediate(this.#run)
  }

  #flush (): void {
    this.#scheduled = false
    const list = this.#dirty
    this.#dirty = this.#spare // what becomes due meanwhile goes to the next turn
    const nowUs = (performance.now() * 1_000) | 0
    for (const flushable of list) flushable.flush(nowUs)
    list.length = 0
    this.#spare = list
    this.#budget.share()
  }
}
