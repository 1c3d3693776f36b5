// What is known of each address: its connections, the sessions among them, the handshakes it may still begin, the failures it has
// made. Addresses with a connection are always kept (there are at most as many as connections); of the others the least recently
// seen is forgotten first. Connections to other ports of the process keep their address too, but count towards nothing of the broker's.
import { LRUCache } from 'lru-cache'
import { addressKey } from '../runtime/address.ts'
import { type Limits } from './limits.ts'
import { Penalty, type PenaltyRules } from './penalty.ts'
import { Queues } from './queues.ts'

const maxGone = 10_000
const burstS = 4
/** What an address that is banned and from which devices come may still begin of its handshakes: several may share it behind one NAT. */
const slowedShare = 0.1
/** So long after its last session an address counts as one from which devices come: a ward whose line was cut must get back in. */
const inUseMs = 3_600_000
/** Failures more that an address is granted for each device that is in: a ward may hold some bad ones. */
const failuresPerSession = 2

/** Where a connection has come in. */
export type Port = 'broker' | 'other'

/** One address. Its fields are for `gate.ts` and `guard.ts`. */
export class Address<W> {
  readonly key: string
  /** Connections to the broker. */
  connections = 0
  /** Connections to other ports. */
  others = 0
  /** Of those, the ones of devices that are in. */
  sessions = 0
  /** Connections whose handshake has not begun. */
  readonly waiting = new Queues<W>()
  readonly penalty = new Penalty()
  #tokens = Infinity
  #atMs = 0
  #usedMs = -Infinity

  constructor (key: string) {
    this.key = key
  }

  /** A device is in. What its handshake took of a banned address is given back: it is the failures that are kept down. */
  began (nowMs: number): void {
    this.sessions++
    if (this.penalty.banned(nowMs)) this.#tokens++
  }

  /** Its session has ended. */
  ended (nowMs: number): void {
    this.sessions--
    this.#usedMs = nowMs
  }

  /** Nobody at this address may begin a handshake. Where devices come from, a ban slows down instead, see `take`. */
  shut (nowMs: number): boolean {
    return this.sessions === 0 && nowMs - this.#usedMs > inUseMs && this.penalty.banned(nowMs)
  }

  /** Takes one of the handshakes the address may begin, if there is one. */
  take (perSecond: number, nowMs: number): boolean {
    const rate = this.penalty.banned(nowMs) ? perSecond * slowedShare : perSecond
    this.#tokens = Math.min(Math.max(1, rate * burstS), this.#tokens + (nowMs - this.#atMs) * rate / 1_000)
    this.#atMs = nowMs
    if (this.#tokens < 1) return false
    this.#tokens--
    return true
  }
}

export class Addresses<W> {
  /** Connections to the broker, of all addresses. */
  connections = 0
  readonly #rules: PenaltyRules
  readonly #live = new Map<string, Address<W>>()
  readonly #gone = new LRUCache<string, Address<W>>({ max: maxGone })

  constructor (limits: Limits) {
    this.#rules = { limit: limits.authenticationFailures, windowMs: 60_000, firstBanMs: limits.addressFirstBanMs, maxBanMs: limits.addressMaxBanMs }
  }

  /** The address of a connection that has come; `leave` when it has gone. */
  enter (text: string, port: Port = 'broker'): Address<W> {
    const key = addressKey(text)
    let address = this.#live.get(key)
    if (address === undefined) {
      address = this.#gone.get(key) ?? new Address<W>(key)
      this.#gone.delete(key)
      this.#live.set(key, address)
    }
    this.#count(address, port, 1)
    return address
  }

  leave (address: Address<W>, port: Port = 'broker'): void {
    this.#count(address, port, -1)
    if (address.connections + address.others > 0) return
    this.#live.delete(address.key)
    this.#gone.set(address.key, address)
  }

  /** The address, while it is remembered. */
  get (text: string): Address<W> | undefined {
    const key = addressKey(text)
    return this.#live.get(key) ?? this.#gone.get(key)
  }

  /** Who is at this address has failed to show who it is. Gives the length, ms, of the ban that begins with it, or 0. */
  failed (text: string, nowMs: number): number {
    const address = this.get(text)
    return address === undefined ? 0 : address.penalty.add(1, this.#rules, nowMs, failuresPerSession * address.sessions)
  }

  /** Addresses that are banned now. */
  banned (nowMs: number): number {
    let count = 0
    for (const table of [this.#live, this.#gone]) for (const address of table.values()) if (address.penalty.banned(nowMs)) count++
    return count
  }

  #count (address: Address<W>, port: Port, by: 1 | -1): void {
    if (port === 'other') address.others += by
    else {
      address.connections += by
      this.connections += by
    }
  }
}
