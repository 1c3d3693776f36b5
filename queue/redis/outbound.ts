// What the broker has accepted for one partition and Redis has not answered yet: first in, first out. One chunk is on its way at a
// time, so the order of a device's messages holds even when a chunk has to be sent again.
import { type Envelope } from '../queue.ts'
import { Held } from '../held.ts'

export interface Chunk {
  readonly envelopes: readonly Envelope[]
  readonly bytes: number
}

export class Outbound {
  readonly #held = new Held()
  /** A chunk is being sent, or waits to be sent again. */
  busy = false

  get empty (): boolean { return this.#held.length === 0 }

  push (envelope: Envelope): void { this.#held.push(envelope, 0) }

  take (maxMessages: number, maxBytes: number): Chunk { return this.#held.take(maxMessages, maxBytes) }
}
