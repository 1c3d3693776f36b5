// How many bytes may be on the way to or from Redis at once. A page that a slow link cannot carry within the time a command has would be
// asked for again and again and never arrive: so each time-out halves the allowance, each success lets it grow again.
import { isTimeout } from './connection.ts'

const least = 4 * 1024

export class Allowance {
  readonly #most: number
  #bytes: number

  /** `most`: bytes, where the link is good. */
  constructor (most: number) {
    this.#most = most
    this.#bytes = most
  }

  get bytes (): number { return this.#bytes }

  succeeded (): void { this.#bytes = Math.min(this.#most, Math.ceil(this.#bytes * 1.25)) }

  /** Told of every failure; only a time-out says something about size. */
  failed (error: unknown): void { if (isTimeout(error)) this.#bytes = Math.max(least, this.#bytes / 2) }
}
