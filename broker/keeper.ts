// The one clock of all connections: looks at each a few times a second and ends what is late (CONNECT, keepalive, a peer
// that does not read, a certificate that has ended). One timer for ten thousand connections instead of one each.
import { type Counters } from './counters.ts'
import { type Front } from './front.ts'
import { type PaceSetter } from './pace.ts'

const lookEveryMs = 250 // a keepalive of one second is still kept to a fifth; 10,000 looks cost about a millisecond

export class Keeper {
  readonly fronts = new Set<Front>()
  readonly #counters: Counters
  readonly #paces: PaceSetter
  readonly #tick: (nowMs: number) => void
  readonly #timer: NodeJS.Timeout

  /** `tick`: what else wants to be called at each look. */
  constructor (counters: Counters, paces: PaceSetter, tick: (nowMs: number) => void) {
    this.#counters = counters
    this.#paces = paces
    this.#tick = tick
    this.#timer = setInterval(() => this.#look(), lookEveryMs)
    this.#timer.unref()
  }

  close (): void { clearInterval(this.#timer) }

  #look (): void {
    this.#counters.followWallClock()
    const nowMs = performance.now()
    const wallMs = Date.now()
    this.#paces.look(nowMs)
    for (const front of this.fronts) front.look(nowMs, wallMs)
    this.#tick(nowMs)
  }
}
