// Which of two sessions of one device, at two brokers, is the newer. Wall clocks alone would get it wrong: a broker whose clock is
// a second behind would lose every session that comes to it. So each broker's clock also moves past every time it has heard of
// (a hybrid logical clock): a session that begins after another was heard of is newer than it, whatever the wall clocks say.
import { type SessionMark } from '../queue/peers.ts'

/** Does `a` displace `b`? A strict total order as long as no broker gives a time twice: of two marks exactly one is newer. */
export function isNewer (a: SessionMark, aBroker: string, b: SessionMark, bBroker: string): boolean {
  return a.sinceMs === b.sinceMs ? aBroker > bBroker : a.sinceMs > b.sinceMs
}

export class SessionClock {
  readonly #now: () => number
  #lastMs = 0

  constructor (now: () => number = Date.now) {
    this.#now = now
  }

  /** Later than every time it gave and every time it heard. */
  next (): number {
    this.#lastMs = Math.max(this.#now(), this.#lastMs + 1)
    return this.#lastMs
  }

  /** Another broker gave this time. */
  heard (sinceMs: number): void {
    this.#lastMs = Math.max(this.#lastMs, sinceMs)
  }
}
