// Points for misconduct that leak away with time; beyond the limit a ban begins, each one longer than the one before. Pure but for its own
// numbers: one for a device that flaps, one for an address whose handshakes fail. Times are any monotonic ms.

export interface PenaltyRules {
  /** Points beyond which a ban begins; 0: never. */
  readonly limit: number
  /** As many points as the limit leak away in this time. */
  readonly windowMs: number
  readonly firstBanMs: number
  /** No ban is longer. */
  readonly maxBanMs: number
}

/** After so many longest bans without a new one, the next ban is a first one again. */
const forgetAfterBans = 3

export class Penalty {
  #points = 0
  #atMs = 0
  #bans = 0
  #untilMs = -Infinity

  banned (nowMs: number): boolean { return nowMs < this.#untilMs }

  /** Adds points. Gives the length, ms, of the ban that begins with them, or 0. `extra` raises the limit this once. */
  add (points: number, rules: PenaltyRules, nowMs: number, extra = 0): number {
    if (rules.limit <= 0 || this.banned(nowMs)) return 0
    this.#points = Math.max(0, this.#points - (nowMs - this.#atMs) * rules.limit / rules.windowMs) + points
    this.#atMs = nowMs
    if (this.#points <= rules.limit + extra) return 0
    if (nowMs - this.#untilMs > forgetAfterBans * rules.maxBanMs) this.#bans = 0
    const ms = Math.min(rules.maxBanMs, rules.firstBanMs * 2 ** this.#bans++)
    this.#untilMs = nowMs + ms
    this.#points = 0
    return ms
  }
}
