// The broker's plain integers, and the two clocks that are read once per chunk instead of once per message.
import { type Refusals } from './refusals.ts'
import { LatencyHistogram } from './latency.ts'

export class Counters {
  /** Messages that came in: given to the queue, or refused. */
  received = 0
  pubacksSent = 0
  /** Sockets past the handshake, and those of them with an accepted CONNECT. */
  connections = 0
  sessions = 0
  readonly ackLatency = new LatencyHistogram()
  readonly refusals: Refusals
  /** ms since 1970 at the chunk being read. */
  wallMs = Date.now()
  /** Monotonic ms, and the same in microseconds wrapped to 32 bits, at the chunk being read. */
  nowMs = performance.now()
  nowUs = 0

  constructor (refusals: Refusals) {
    this.refusals = refusals
  }

  /** Reads the clocks. */
  tick (): void {
    this.wallMs = Date.now()
    this.nowMs = performance.now()
    this.nowUs = (this.nowMs * 1_000) | 0
  }

  notStored (device: string): void {
    this.refusals.add('not-stored', { device })
  }
}
