// A message the front has taken, as the queue sees it (an envelope) and as the connection's line of acknowledgements
// sees it (a link). One object a message, `settle` on the prototype: the hot path makes no closure.
import { type Envelope, type UplinkKind } from '../queue/queue.ts'

/** Whom a taken message reports its outcome to. */
export interface Taker {
  settled (taken: Taken): void
}

export type Outcome = 'waiting' | 'durable' | 'not-stored'

export class Taken implements Envelope {
  readonly publisher: string
  readonly kind: UplinkKind
  readonly payload: Buffer
  readonly receivedAtMs: number
  /** 0: QoS 0 or a will, nothing to acknowledge. */
  readonly packetId: number
  /** Microseconds of a monotonic clock, 32 bits, for the latency of the acknowledgement. */
  readonly takenAtUs: number
  outcome: Outcome = 'waiting'
  /** The next QoS 1 message of the same connection. */
  next: Taken | null = null
  readonly #taker: Taker

  constructor (taker: Taker, publisher: string, kind: UplinkKind, payload: Buffer, packetId: number, receivedAtMs: number, takenAtUs: number) {
    this.#taker = taker
    this.publisher = publisher
    this.kind = kind
    this.payload = payload
    this.packetId = packetId
    this.receivedAtMs = receivedAtMs
    this.takenAtUs = takenAtUs
  }

  settle (error: Error | null): void {
    if (this.outcome !== 'waiting') return // once; a second call must not acknowledge what was refused
    this.outcome = error === null ? 'durable' : 'not-stored'
    this.#taker.settled(this)
  }
}

/** Bytes of the PUBACKs that are due, and whether the line ends here because a message was not stored. */
export interface DueAcks {
  readonly bytes: Buffer | null
  readonly count: number
  readonly notStored: boolean
}

/**
 * The QoS 1 messages of one connection that are not yet acknowledged, in the order they came. Acknowledgements leave
 * from its head only [MQTT-4.6.0-2]: what is settled early waits for those before it.
 */
export class AckLine {
  #head: Taken | null = null
  #tail: Taken | null = null

  get empty (): boolean { return this.#head === null }

  /** The first message is settled: something is due. */
  get due (): boolean { return this.#head !== null && this.#head.outcome !== 'waiting' }

  push (taken: Taken): void {
    if (this.#tail === null) this.#head = taken
    else this.#tail.next = taken
    this.#tail = taken
  }

  /**
   * Takes all that is due from the head as one run of PUBACK packets; `each` sees every message that leaves the line.
   * Stops for good at a message that was not stored: acknowledging later ones would tell the device that it is done.
   */
  take (each: (taken: Taken) => void): DueAcks {
    let count = 0
    let last = this.#head
    for (; last !== null && last.outcome === 'durable'; last = last.next) count++
    const notStored = last !== null && last.outcome === 'not-stored'
    if (count === 0) return { bytes: null, count, notStored }
    const bytes = Buffer.allocUnsafe(4 * count)
    let at = 0
    let taken = this.#head as Taken
    for (let i = 0; i < count; i++) {
      bytes[at++] = 0x40 // PUBACK, MQTT 3.1.1, 3.4
      bytes[at++] = 2
      bytes[at++] = taken.packetId >>> 8
      bytes[at++] = taken.packetId & 0xff
      const next = taken.next
      taken.next = null // or a message kept alive by somebody keeps all that came after it
      each(taken)
      if (next !== null) taken = next
    }
    this.#head = last
    if (last === null) this.#tail = null
    return { bytes, count, notStored }
  }

  /** Gives up the whole line (the connection is gone); `each` sees every message. */
  abandon (each: (taken: Taken) => void): void {
    let taken = this.#head
    this.#head = this.#tail = null
    while (taken !== null) {
      const next = taken.next
      taken.next = null
      each(taken)
      taken = next
    }
  }
}
