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

/** The beginning of a chunk, at most `maxBytes` of it but at least one message, and the rest. Pure. */
export function split ({ envelopes, bytes }: Chunk, maxBytes: number): [Chunk, Chunk | null] {
  if (bytes <= maxBytes) return [{ envelopes, bytes }, null]
  let taken = 0
  let count = 0
  for (const { payload } of envelopes) {
    if (count > 0 && taken + payload.length > maxBytes) break
    taken += payload.length
    count++
  }
  if (count === envelopes.length) return [{ envelopes, bytes }, null]
  return [{ envelopes: envelopes.slice(0, count), bytes: taken }, { envelopes: envelopes.slice(count), bytes: bytes - taken }]
}
