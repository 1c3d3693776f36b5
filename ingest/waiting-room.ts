// Where messages for quarantine wait while their data key cannot be had, so that nobody else does. Takes messages, unacknowledged, and a
// way to store them; tries again, with back-off, until they are stored or the process must stop. They are prepared anew each time: what
// the registry or an erasure says meanwhile holds for them too. A copy of one that waits takes no place: devices send again, and leases are lost
// and taken again. Bounds: places and copies; where one is reached nothing is let in, and the batch waits as a whole.
import { type Envelope } from '../queue/queue.ts'
import { type PulsegateError } from '../runtime/errors.ts'
import { type Persist } from './persist.ts'
import { identityOf, WaitingGroup } from './waiting-group.ts'

/** What an attempt has left, and why; nothing left: all are stored. */
export interface Attempt { readonly left: readonly Envelope[], readonly fault: PulsegateError | null }

export interface WaitingRoomOptions {
  /** Its own: what waits here must not slow down what does not. */
  readonly persist: Persist
  /** Tries to store them. Other errors than that of a key are thrown. */
  readonly attempt: (envelopes: readonly Envelope[]) => Promise<Attempt>
  /** Different ones. */
  readonly maxMessages?: number
  readonly maxBytes?: number
  readonly maxCopies?: number
  readonly maxCopyBytes?: number
}

// places come on top of what a worker has in hand over Redis: a third of that
const bounds = { maxMessages: 1_000, maxBytes: 4 * 1024 * 1024, maxCopies: 50_000, maxCopyBytes: 32 * 1024 * 1024 }
// one tenant's key may be had where another's cannot: each gets its turn, and a service that is away is not asked for each of them
const failuresPerTurn = 3
// as many as a batch has
const copiesAtOnce = 1_000

export class WaitingRoom {
  readonly #persist: Persist
  readonly #attempt: WaitingRoomOptions['attempt']
  readonly #bounds: typeof bounds
  readonly #groups: WaitingGroup[] = []
  /** By identity: the group that it waits in. */
  readonly #places = new Map<string, WaitingGroup>()
  #bytes = 0
  readonly #copies = { messages: 0, bytes: 0 }
  #fault: PulsegateError | null = null
  #running = false

  constructor ({ persist, attempt, ...given }: WaitingRoomOptions) {
    this.#persist = persist
    this.#attempt = attempt
    this.#bounds = { ...bounds, ...given }
  }

  /** How many messages wait, copies included. */
  get messages (): number { return this.#groups.reduce((sum, { messages }) => sum + messages, 0) }

  /** Why they wait; null when none does. */
  get fault (): PulsegateError | null { return this.#fault }

  /** Resolves once all of them are stored; null: there is no room for them. Rejects with QUEUE_CLOSED when the process stops. */
  enter (envelopes: readonly Envelope[], fault: PulsegateError): Promise<void> | null {
    const fresh = new Map<string, Envelope>()
    const copies: Array<readonly [identity: string, envelope: Envelope]> = []
    for (const envelope of envelopes) {
      const identity = identityOf(envelope)
      if (this.#places.has(identity) || fresh.has(identity)) copies.push([identity, envelope])
      else fresh.set(identity, envelope)
    }
    if (!this.#admit([...fresh.values()], copies.map(([, envelope]) => envelope))) return null
    this.#fault = fault
    const joined = new Set<WaitingGroup>()
    if (fresh.size > 0) {
      const group = new WaitingGroup(fresh)
      this.#groups.push(group)
      for (const identity of fresh.keys()) this.#places.set(identity, group)
      joined.add(group)
    }
    for (const [identity, envelope] of copies) {
      const group = this.#places.get(identity) as WaitingGroup
      group.join(envelope)
      joined.add(group)
    }
    if (!this.#running) this.#empty().catch(() => {}) // it never rejects
    return Promise.all([...joined].map(({ done }) => done)).then(() => {})
  }

  #admit (fresh: readonly Envelope[], copies: readonly Envelope[]): boolean {
    const { maxMessages, maxBytes, maxCopies, maxCopyBytes } = this.#bounds
    const bytes = this.#bytes + bytesOf(fresh)
    const copied = { messages: this.#copies.messages + copies.length, bytes: this.#copies.bytes + bytesOf(copies) }
    if (fresh.length > 0 && (this.#places.size + fresh.length > maxMessages || bytes > maxBytes)) return false
    if (copies.length > 0 && (copied.messages > maxCopies || copied.bytes > maxCopyBytes)) return false
    this.#bytes = bytes
    Object.assign(this.#copies, copied)
    return true
  }

  async #empty (): Promise<void> {
    this.#running = true
    try {
      while (this.#groups.length > 0) await this.#persist.until(() => this.#turn())
    } catch (error) {
      for (const group of this.#groups.splice(0)) group.giveUp(error)
    }
    this.#places.clear()
    this.#bytes = 0
    Object.assign(this.#copies, { messages: 0, bytes: 0 })
    this.#fault = null
    this.#running = false
  }

  /** Through those that wait, oldest first; throws when some still do. */
  async #turn (): Promise<void> {
    for (let failures = 0, group = this.#groups[0]; group !== undefined; group = this.#groups[0]) {
      const { left, fault } = await this.#attempt(group.asking)
      this.#leave(group, left)
      if (fault === null) {
        if (group.messages === 0) this.#groups.shift()
        continue
      }
      this.#groups.shift()
      this.#groups.push(group)
      this.#fault = fault
      if (++failures >= Math.min(failuresPerTurn, this.#groups.length)) throw fault
    }
  }

  #leave (group: WaitingGroup, left: readonly Envelope[]): void {
    const { places, copies } = group.stored(left, copiesAtOnce)
    for (const [identity, envelope] of places) {
      this.#places.delete(identity)
      this.#bytes -= envelope.payload.length
    }
    this.#copies.messages -= copies.length
    this.#copies.bytes -= bytesOf(copies)
  }
}

function bytesOf (envelopes: readonly Envelope[]): number { return envelopes.reduce((sum, { payload }) => sum + payload.length, 0) }
