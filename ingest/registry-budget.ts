// How many unknown devices a process may register by themselves in a minute: whoever can make certificates must not be able to fill
// the registry. Pure but for the clock it is given. What is left of a minute is not saved up for the next.

/** Ten thousand devices that come for the first time on one day are through in two minutes. */
export const defaultRegistrationsPerMinute = 6_000

const minuteMs = 60_000

export class RegistrationBudget {
  readonly #perMinute: number
  readonly #now: () => number
  #since = -Infinity
  #taken = 0
  #refused = 0
  #untold = 0

  /** `now`: ms that only grow. */
  constructor (perMinute: number, now: () => number = () => performance.now()) {
    this.#perMinute = perMinute
    this.#now = now
  }

  /**
   * How many of `wanted` may be registered now. `tell`: how many refusals are to be written down now; the first of a minute are told at
   * once, the others together when a later minute begins.
   */
  take (wanted: number): { granted: number, tell: number } {
    const nowMs = this.#now()
    const turned = nowMs - this.#since >= minuteMs
    if (turned) {
      this.#since = nowMs
      this.#taken = this.#refused = 0
    }
    const granted = Math.min(wanted, this.#perMinute - this.#taken)
    const refused = wanted - granted
    const first = this.#refused === 0 && refused > 0
    this.#taken += granted
    this.#refused += refused
    this.#untold += refused
    if (!turned && !first) return { granted, tell: 0 }
    const tell = this.#untold
    this.#untold = 0
    return { granted, tell }
  }
}
