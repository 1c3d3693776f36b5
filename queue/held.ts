// What the queue holds and has not handed out: first in, first out, with the count, bytes and age a batch is cut by.
// Taking from the front moves an index; the array is cut when half of it is behind, so no operation costs more than its output.
import { type Envelope } from './queue.ts'

const gone: Envelope = { publisher: '', kind: 'telemetry', payload: Buffer.alloc(0), receivedAtMs: 0, settle () {} }

export class Held {
  #envelopes: Envelope[] = []
  #times: number[] = []
  #head = 0
  #bytes = 0
  #pushed = 0

  get length (): number { return this.#envelopes.length - this.#head }

  /** Payload bytes held. */
  get bytes (): number { return this.#bytes }

  /** How many were ever pushed; unchanged means nothing came. */
  get pushed (): number { return this.#pushed }

  /** When the oldest was pushed, on the clock the caller pushes with; Infinity when nothing is held. */
  get oldestAt (): number { return this.#times[this.#head] ?? Infinity }

  push (envelope: Envelope, at: number): void {
    this.#envelopes.push(envelope)
    this.#times.push(at)
    this.#bytes += envelope.payload.length
    this.#pushed++
  }

  /** Takes the oldest, at most `maxMessages` and `maxBytes`, but at least one; one that must go alone is taken by itself. */
  take (maxMessages: number, maxBytes: number): { envelopes: Envelope[], bytes: number } {
    const last = Math.min(this.#envelopes.length, this.#head + maxMessages)
    let end = this.#head
    let bytes = 0
    while (end < last) {
      const { payload, alone = false } = this.#envelopes[end] as Envelope
      if (end > this.#head && (alone || bytes + payload.length > maxBytes)) break
      bytes += payload.length
      end++
      if (alone) break
    }
    const envelopes = this.#envelopes.slice(this.#head, end)
    this.#envelopes.fill(gone, this.#head, end) // what was taken must not be kept alive until the array is cut
    this.#head = end
    this.#bytes -= bytes
    this.#compact()
    return { envelopes, bytes }
  }

  #compact (): void {
    if (this.#head < this.#envelopes.length && this.#head < 4_096) return
    if (this.#head * 2 < this.#envelopes.length) return
    this.#envelopes = this.#envelopes.slice(this.#head)
    this.#times = this.#times.slice(this.#head)
    this.#head = 0
  }
}
