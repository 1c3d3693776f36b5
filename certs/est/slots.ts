// How many certificates are signed at once, over all connections; a few more may wait, the rest is told to come back.
import { Refusal } from './answer.ts'

export class Slots {
  readonly #most: number
  readonly #mostWaiting: number
  readonly #waiting: Array<() => void> = []
  #taken = 0

  constructor (most: number, mostWaiting: number) {
    this.#most = most
    this.#mostWaiting = mostWaiting
  }

  /** Throws Refusal (503) when too many wait already. */
  async run<T> (work: () => Promise<T>): Promise<T> {
    if (this.#taken >= this.#most) {
      if (this.#waiting.length >= this.#mostWaiting) throw new Refusal('busy')
      await new Promise<void>((resolve) => { this.#waiting.push(resolve) }) // the slot is handed over
    } else {
      this.#taken++
    }
    try {
      return await work()
    } finally {
      const next = this.#waiting.shift()
      if (next === undefined) this.#taken--
      else next()
    }
  }
}
