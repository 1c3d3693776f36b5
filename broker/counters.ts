// The broker's plain integers, and its clock. Reading a clock costs a quarter of a microsecond on some machines (no vDSO),
// as much as parsing a PUBLISH: it is read once per turn of the event loop, and all that comes in the turn shares it.
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
  /** ms since 1970, monotonic ms, and the latter in microseconds wrapped to 32 bits: at the beginning of this turn. */
  wallMs = Date.now()
  nowMs = performance.now()
  nowUs = 0
  #wallOffsetMs = Date.now() - performance.now()
  #fresh = false
  readonly #expire = (): void => { this.#fresh = false }

  constructor (refusals: Refusals) {
    this.refusals = refusals
  }

  /** Reads the clock, unless it has been read in this turn. */
  tick (): void {
    if (this.#fresh) return
    this.#fresh = true
    setImmediate(this.#expire)
    this.nowMs = performance.now()
    this.nowUs = (this.nowMs * 1_000) | 0
    this.wallMs = Math.floor(this.nowMs + this.#wallOffsetMs)
  }

  /** Follows steps of the wall clock; called by the keeper, a few times a second. */
  followWallClock (): void { this.#wallOffsetMs = Date.now() - performance.now() }
}
