// Who may begin a TLS handshake, and when. A handshake is the dearest thing a stranger can ask for, so of those who come at once only
// some are at it; the others wait unread, each address in its turn, and one address begins only so many a second. In a
// storm each handshake is then done in time, instead of all of them too late. Other ports of the process take their turns here too: the
// handshakes of all ports are bounded together, but connections and bans are the broker's alone. Other ports bound their connections
// themselves, and who is kept out of the broker, or finds it full, must be able to renew and to administer.
//
// Promise: a connection that was let in is begun or refused; a place that is taken is given back with the end of its handshake, with
// the end of its socket, or after a second: who is slow costs nothing while it waits for itself and must not keep others out.
import { type Socket } from 'node:net'
import { type HandshakeGate } from '../runtime/handshake-gate.ts'
import { plainAddress } from '../runtime/address.ts'
import { type Address, type Addresses } from './addresses.ts'
import { type Limits } from './limits.ts'
import { type RefusalReason } from './refusals.ts'

const placeMs = 1_000

interface Waiting { readonly socket: Socket, readonly sinceMs: number, readonly door: GateEvents }
export type GateAddresses = Addresses<Waiting>

export interface GateEvents {
  /** Begin the handshake. */
  begin (socket: Socket): void
  /** The socket is closed without one. */
  refused (reason: RefusalReason, address: string): void
}

export class Gate implements HandshakeGate {
  readonly #limits: Limits
  readonly #events: GateEvents
  readonly #addresses: GateAddresses
  /** Handshakes that hold a place, and since when. */
  readonly #places = new Map<Socket, number>()
  /** Addresses with connections that wait, in their turn. */
  #turns: Array<Address<Waiting>> = []
  /** The same, of those that have begun as many as they may for now. */
  #slowed: Array<Address<Waiting>> = []
  #closed = false

  constructor (limits: Limits, addresses: GateAddresses, events: GateEvents) {
    this.#limits = limits
    this.#addresses = addresses
    this.#events = events
  }

  get handshakes (): number { return this.#places.size }

  /** Connections whose handshake has not begun. */
  get waiting (): number {
    return this.#turns.reduce((sum, { waiting }) => sum + waiting.length, 0) + this.#slowed.reduce((sum, { waiting }) => sum + waiting.length, 0)
  }

  /** Takes a socket that is not read yet. `door`: of another port than the broker's. */
  enter (socket: Socket, door: GateEvents = this.#events): void {
    socket.on('error', () => {})
    const text = socket.remoteAddress // noted now: it is gone with the connection
    if (text === undefined || socket.destroyed) {
      socket.destroy()
      return
    }
    const port = door === this.#events ? 'broker' : 'other'
    const address = this.#addresses.enter(text, port)
    socket.once('close', () => {
      this.#addresses.leave(address, port)
      this.done(socket)
    })
    const nowMs = performance.now()
    const waiting = { socket, sinceMs: nowMs, door }
    const reason = this.#fault(address, nowMs, door)
    if (reason !== null) return this.#refuse(waiting, reason)
    address.waiting.push(door, waiting)
    if (address.waiting.length === 1) this.#turns.push(address)
    this.#pump(nowMs)
  }

  /** The handshake has ended, well or not. */
  done (socket: Socket): void {
    if (this.#places.delete(socket)) this.#pump(performance.now())
  }

  /** Called a few times a second. */
  tick (nowMs: number): void {
    for (const [socket, sinceMs] of this.#places) if (nowMs - sinceMs > placeMs) this.#places.delete(socket)
    const all = [...this.#turns, ...this.#slowed]
    for (const { waiting } of all) for (const each of waiting.takeOldest(({ sinceMs }) => nowMs - sinceMs > this.#limits.handshakeWaitMs)) this.#refuse(each, 'handshake-busy')
    this.#turns = all.filter(({ waiting }) => waiting.length > 0)
    this.#slowed = []
    this.#pump(nowMs)
  }

  /** Lets nobody in any more; those that wait are refused. */
  close (): void {
    this.#closed = true
    for (const { waiting } of [...this.#turns, ...this.#slowed]) for (const each of waiting.takeOldest(() => true)) this.#refuse(each, 'draining')
    this.#turns = []
    this.#slowed = []
  }

  #fault (address: Address<Waiting>, nowMs: number, door: GateEvents): RefusalReason | null {
    if (this.#closed) return 'draining'
    if (door !== this.#events) return null
    if (address.connections > this.#limits.maxConnectionsPerAddress || address.connections - address.sessions > this.#room) return 'too-many-from-address'
    // where devices are connected that behave, a ban slows down and locks nobody out (Address.shut)
    return address.shut(nowMs) ? 'address-banned' : null
  }

  /**
   * Connections without a session that one address may have: as many as are left free, so that a few addresses cannot take them all.
   * Where one address may have all of them, everybody comes through it and there is nobody to leave room for.
   */
  get #room (): number {
    const { maxConnections, maxConnectionsPerAddress } = this.#limits
    return maxConnectionsPerAddress >= maxConnections ? Infinity : Math.max(1, maxConnections - this.#addresses.connections)
  }

  #pump (nowMs: number): void {
    while (this.#places.size < this.#limits.maxHandshakes) {
      const address = this.#turns.shift()
      if (address === undefined) return
      const next = address.take(this.#limits.handshakesPerAddress, nowMs) ? address.waiting.shift() : undefined
      if (address.waiting.length > 0) (next === undefined ? this.#slowed : this.#turns).push(address)
      if (next === undefined || next.socket.destroyed) continue
      this.#places.set(next.socket, nowMs)
      next.door.begin(next.socket)
    }
  }

  #refuse ({ socket, door }: Waiting, reason: RefusalReason): void {
    if (socket.destroyed) return
    door.refused(reason, plainAddress(socket.remoteAddress ?? 'unknown'))
    socket.destroy()
  }
}
