// Holds one connection to its device's pace (pace.ts): counts each packet, shuts the inlet when it was the last one for now, and opens it when the
// keeper's look, or the turn among all that wait, brings room. The time shut does not count for keepalive (inlet.ts).
import { type Inlet } from './inlet.ts'
import { type Pace, type PaceSetter, type PaceWaiter } from './pace.ts'
import { stop } from './stops.ts'

export class Throttle implements PaceWaiter {
  readonly #setter: PaceSetter
  readonly #inlet: Inlet
  readonly #pace: Pace

  constructor (setter: PaceSetter, inlet: Inlet, device: string) {
    this.#setter = setter
    this.#inlet = inlet
    this.#pace = setter.of(device)
  }

  /** A packet of so many bytes has come. */
  took (bytes: number): void {
    if (!this.#pace.take(bytes)) this.#slow(stop.pace)
    if (!this.#setter.takeTotal(bytes)) {
      this.#slow(stop.totalPace)
      this.#setter.wait(this)
    }
  }

  /** Called by the keeper, a few times a second. */
  look (): void {
    this.#pace.look()
    if (this.#inlet.has(stop.pace) && this.#pace.room) this.#inlet.go(stop.pace)
  }

  paceFree (): void { this.#inlet.go(stop.totalPace) }

  leave (): void { this.#setter.forget(this) }

  #slow (bit: number): void {
    this.#setter.slowed++
    this.#inlet.stop(bit)
  }
}
