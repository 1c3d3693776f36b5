// Where messages for quarantine wait while their data key cannot be had, so that nobody else does. Takes messages, unacknowledged, and a
// way to store them; tries again, with back-off, until they are stored or the process must stop. They are prepared anew each time: what
// the registry or an erasure says meanwhile holds for them too. Bound: once it is full nothing is let in, and the batch waits as a whole.
import { type Envelope } from '../queue/queue.ts'
import { type PulsegateError } from '../runtime/errors.ts'
import { type Persist } from './persist.ts'

/** What an attempt has left, and why; nothing left: all are stored. */
export interface Attempt { readonly left: readonly Envelope[], readonly fault: PulsegateError | null }

export interface WaitingRoomOptions {
  /** Its own: what waits here must not slow down what does not. */
  readonly persist: Persist
  /** Tries to store them. Other errors than that of a key are thrown. */
  readonly attempt: (envelopes: readonly Envelope[]) => Promise<Attempt>
  readonly maxMessages?: number
  readonly maxBytes?: number
}

interface Group { envelopes: readonly Envelope[], readonly resolve: () => void, readonly reject: (error: unknown) => void }

// comes on top of what a worker has in hand over Redis: a third of that
const room = { maxMessages: 1_000, maxBytes: 4 * 1024 * 1024 }
// one tenant's key may be had where another's cannot: each gets its turn, and a service that is away is not asked for each of them
const failuresPerTurn = 3

export class WaitingRoom {
  readonly #persist: Persist
  readonly #attempt: WaitingRoomOptions['attempt']
  readonly #maxMessages: number
  readonly #maxBytes: number
  readonly #groups: Group[] = []
  #bytes = 0
  #fault: PulsegateError | null = null
  #running = false

  constructor ({ persist, attempt, maxMessages = room.maxMessages, maxBytes = room.maxBytes }: WaitingRoomOptions) {
    this.#persist = persist
    this.#attempt = attempt
    this.#maxMessages = maxMessages
    this.#maxBytes = maxBytes
  }

  /** How many messages wait. */
  get messages (): number { return this.#groups.reduce((sum, { envelopes }) => sum + envelopes.length, 0) }

  /** Why they wait; null when none does. */
  get fault (): PulsegateError | null { return this.#fault }

  /** Resolves once all of them are stored; null: there is no room for them. Rejects with QUEUE_CLOSED when the process stops. */
  enter (envelopes: readonly Envelope[], fault: PulsegateError): Promise<void> | null {
    const bytes = bytesOf(envelopes)
    if (this.messages + envelopes.length > this.#maxMessages || this.#bytes + bytes > this.#maxBytes) return null
    this.#bytes += bytes
    this.#fault = fault
    return new Promise((resolve, reject) => {
      this.#groups.push({ envelopes, resolve, reject })
      if (!this.#running) this.#empty().catch(() => {}) // it never rejects
    })
  }

  async #empty (): Promise<void> {
    this.#running = true
    try {
      while (this.#groups.length > 0) await this.#persist.until(() => this.#turn())
    } catch (error) {
      for (const { reject } of this.#groups.splice(0)) reject(error)
    }
    this.#bytes = 0
    this.#fault = null
    this.#running = false
  }

  /** Through those that wait, oldest first; throws when some still do. */
  async #turn (): Promise<void> {
    for (let failures = 0, group = this.#groups[0]; group !== undefined; group = this.#groups[0]) {
      const { left, fault } = await this.#attempt(group.envelopes)
      this.#bytes -= bytesOf(group.envelopes) - bytesOf(left)
      group.envelopes = left
      this.#groups.shift()
      if (fault === null) {
        group.resolve()
        continue
      }
      this.#groups.push(group)
      this.#fault = fault
      if (++failures >= Math.min(failuresPerTurn, this.#groups.length)) throw fault
    }
  }
}

function bytesOf (envelopes: readonly Envelope[]): number { return envelopes.reduce((sum, { payload }) => sum + payload.length, 0) }
