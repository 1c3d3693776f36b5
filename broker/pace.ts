// How fast devices may send: messages and bytes a second, each by itself and all together. Nothing is dropped: at the limit the socket is
// not read until there is room again, and TCP slows the sender down. Token buckets that are filled by the keeper's look a few
// times a second, so a message costs two subtractions and a comparison, and no timer is ever set.
import { LRUCache } from 'lru-cache'
import { type Limits } from './limits.ts'

/** A device that was quiet, or has a backlog, may send ten seconds' worth at once. */
const burstMs = 10_000
const totalBurstMs = 1_000
/** Devices whose pace is remembered, beside those that are connected: the least recently seen may have another ten seconds' worth. */
const maxGone = 10_000

/** A connection that waits for the limit of all. */
export interface PaceWaiter {
  paceFree (): void
}

/** A rate a second (0: no limit), and what of it the looks have brought since the start, in whole tokens; fractions are carried over. */
class Rate {
  readonly burst: number
  granted = 0
  readonly #perSecond: number
  #carried = 0

  constructor (perSecond: number, burstMs: number) {
    this.#perSecond = perSecond
    this.burst = perSecond === 0 ? Infinity : Math.max(1, perSecond * burstMs / 1_000)
  }

  look (elapsedMs: number): void {
    const exact = this.#carried + this.#perSecond * elapsedMs / 1_000
    const whole = Math.floor(exact)
    this.granted += whole
    this.#carried = exact - whole
  }
}

export interface Rates { readonly messages: Rate, readonly bytes: Rate }

function ratesOf (messages: number, bytes: number, burstMs: number): Rates {
  return { messages: new Rate(messages, burstMs), bytes: new Rate(bytes, burstMs) }
}

/** What one device, or all together, may still send. Whoever looks at it, and whenever: each token is given once. */
export class Pace {
  messages: number
  bytes: number
  readonly #rates: Rates
  readonly #taken = { messages: 0, bytes: 0 }

  constructor (rates: Rates) {
    this.#rates = rates
    this.messages = rates.messages.burst
    this.bytes = rates.bytes.burst
    this.#takeGranted()
  }

  get room (): boolean { return this.messages >= 1 && this.bytes >= 1 }

  /** Takes one packet of so many bytes; false when it was the last one for now. Never refuses the one at hand. */
  take (bytes: number): boolean {
    this.messages--
    this.bytes -= bytes
    return this.messages >= 1 && this.bytes >= 1
  }

  /** Takes what the keeper's looks have brought since the last time. */
  look (): void {
    const { messages, bytes } = this.#rates
    this.messages = Math.min(messages.burst, this.messages + messages.granted - this.#taken.messages)
    this.bytes = Math.min(bytes.burst, this.bytes + bytes.granted - this.#taken.bytes)
    this.#takeGranted()
  }

  #takeGranted (): void {
    this.#taken.messages = this.#rates.messages.granted
    this.#taken.bytes = this.#rates.bytes.granted
  }
}

/** The clock of all paces, and the limit of all connections together. */
export class PaceSetter {
  /** Of each device. */
  readonly rates: Rates
  /** How often a connection was made to wait. */
  slowed = 0
  readonly #totalRates: Rates
  /** Null: there is no limit of all. */
  readonly #total: Pace | null
  /** By device: a connection made anew goes on where the one before it was. */
  readonly #devices: LRUCache<string, Pace>
  readonly #waiting = new Set<PaceWaiter>()
  #lookedMs = performance.now()

  constructor (limits: Limits) {
    this.#devices = new LRUCache({ max: limits.maxConnections + maxGone })
    this.rates = ratesOf(limits.deviceMessagesPerSecond, limits.deviceBytesPerSecond, burstMs)
    const { totalMessagesPerSecond, totalBytesPerSecond } = limits
    this.#totalRates = ratesOf(totalMessagesPerSecond, totalBytesPerSecond, totalBurstMs)
    this.#total = totalMessagesPerSecond + totalBytesPerSecond > 0 ? new Pace(this.#totalRates) : null
  }

  /** What this device may send, over all its connections. */
  of (id: string): Pace {
    const pace = this.#devices.get(id) ?? new Pace(this.rates)
    this.#devices.set(id, pace)
    pace.look()
    return pace
  }

  /** Takes from what all may send; false when that is used up. */
  takeTotal (bytes: number): boolean { return this.#total === null || this.#total.take(bytes) }

  /** Called by the keeper before it looks at the connections. */
  look (nowMs: number): void {
    const elapsedMs = nowMs - this.#lookedMs
    this.#lookedMs = nowMs
    for (const { messages, bytes } of [this.rates, this.#totalRates]) {
      messages.look(elapsedMs)
      bytes.look(elapsedMs)
    }
    if (this.#total === null) return
    this.#total.look()
    this.#share(this.#total)
  }

  wait (waiter: PaceWaiter): void { this.#waiting.add(waiter) }

  forget (waiter: PaceWaiter): void { this.#waiting.delete(waiter) }

  /** Resumes those that wait, first come, first served, as many as there are messages left: each will send one at least. */
  #share (total: Pace): void {
    let left = total.room ? Math.min(this.#waiting.size, total.messages) : 0
    for (const waiter of this.#waiting) {
      if (left-- < 1) return
      this.#waiting.delete(waiter)
      waiter.paceFree()
    }
  }
}
