// What all connections together may have unacknowledged, in messages and payload bytes. Takes and gives back are plain
// integer sums; a front that finds it spent queues up and is resumed first come, first served, so no flooder starves
// the others. Nothing is dropped at the bound: a socket that is not read makes its sender wait.

export interface Waiter {
  /** There is room again: read on (and queue up again when it is spent). */
  budgetFree (): void
}

export class Budget {
  readonly #maxMessages: number
  readonly #maxBytes: number
  readonly #waiting = new Set<Waiter>()
  messages = 0
  bytes = 0

  constructor (maxMessages: number, maxBytes: number) {
    this.#maxMessages = maxMessages
    this.#maxBytes = maxBytes
  }

  get spent (): boolean { return this.messages >= this.#maxMessages || this.bytes >= this.#maxBytes }

  get waiting (): number { return this.#waiting.size }

  wait (waiter: Waiter): void { this.#waiting.add(waiter) }

  forget (waiter: Waiter): void { this.#waiting.delete(waiter) }

  /** Resumes waiters in their order while there is room. Called once per turn of the event loop, not per message. */
  share (): void {
    // a resumed waiter may queue up again behind the others: one round at most
    for (let left = this.#waiting.size; left > 0 && !this.#nearlySpent; left--) {
      const next = this.#waiting.values().next().value as Waiter
      this.#waiting.delete(next)
      next.budgetFree()
    }
  }

  /** Some slack below the bound, so that a full budget does not resume one socket per acknowledged message. */
  get #nearlySpent (): boolean {
    return this.messages >= this.#maxMessages * 7 / 8 || this.bytes >= this.#maxBytes * 7 / 8
  }
}
