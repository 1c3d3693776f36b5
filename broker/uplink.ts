// The messages of one connection, from the PUBLISH frame to the PUBACK. Takes frames from the front, gives envelopes to
// the queue, and hands back acknowledgements in the order of the publishes, coalesced, once the queue has settled them.
//
// Hot path: one object, one payload copy and a few integer sums a message; no closure, promise, timer, string or look-up.
import { type QueueWriter } from '../queue/queue.ts'
import { type Budget } from './budget.ts'
import { type Counters } from './counters.ts'
import { type Flusher } from './flusher.ts'
import { type Limits } from './limits.ts'
import { type PaceSetter } from './pace.ts'
import { PublishView, type PublishFault, type UplinkTopics } from './publish.ts'
import { AckLine, Taken, type Taker } from './taken.ts'

/** The connection, as its uplink needs it. */
export interface UplinkHost {
  /** Writes PUBACK packets. */
  writeAcks (bytes: Buffer): void
  /** The queue gave a message back: to be counted. */
  messageNotStored (): void
  /** Called after acknowledgements left, or a message was let go. */
  uplinkMoved (): void
  /** A message was not stored: the connection must close, or the device would wait for an acknowledgement for ever. */
  uplinkFailed (): void
}

export interface UplinkServices {
  readonly limits: Limits
  readonly queue: QueueWriter
  readonly budget: Budget
  readonly counters: Counters
  readonly flusher: Flusher
  readonly paces: PaceSetter
}

const view = new PublishView() // read out before the next frame is looked at

export class Uplink implements Taker {
  /** True while this uplink stands in the flusher's list. */
  dirty = false
  /** Unacknowledged messages and payload bytes of this connection. */
  messages = 0
  bytes = 0
  readonly #host: UplinkHost
  readonly #services: UplinkServices
  readonly #publisher: string
  readonly #topics: UplinkTopics
  readonly #line = new AckLine()
  readonly #leaves = (taken: Taken): void => this.#left(taken)
  #nowUs = 0
  #gone = false

  constructor (host: UplinkHost, publisher: string, topics: UplinkTopics, services: UplinkServices) {
    this.#host = host
    this.#publisher = publisher
    this.#topics = topics
    this.#services = services
  }

  get full (): boolean {
    const { limits } = this.#services
    return this.messages >= limits.maxInFlightMessages || this.bytes >= limits.maxInFlightBytes
  }

  /** Room enough to read again: half of the bound, so that the socket is not paused and resumed for each message. */
  get roomy (): boolean {
    const { limits } = this.#services
    return this.messages <= limits.maxInFlightMessages / 2 && this.bytes <= limits.maxInFlightBytes / 2
  }

  /** No acknowledgement is owed. */
  get idle (): boolean { return this.#line.empty }

  /** Takes one PUBLISH frame, or says why it must be refused (then nothing has been taken). */
  take (buffer: Buffer, start: number, body: number, end: number): PublishFault | null {
    const { counters } = this.#services
    counters.received++
    const fault = view.read(this.#topics, buffer, start, body, end)
    if (fault !== null) return fault
    const from = view.payloadStart
    const payload = Buffer.allocUnsafe(end - from)
    buffer.copy(payload, 0, from, end) // a view would pin the read buffer for as long as a commit takes
    const taken = new Taken(this, this.#publisher, view.kind, payload, view.packetId, counters.wallMs, counters.nowUs)
    if (view.qos === 1) this.#line.push(taken)
    this.#accept(taken)
    return null
  }

  /** Gives a will to the queue as a message of this device; nothing is owed for it. */
  takeWill (kind: Taken['kind'], payload: Buffer): void {
    const { counters } = this.#services
    counters.received++
    this.#accept(new Taken(this, this.#publisher, kind, payload, 0, Date.now(), counters.nowUs))
  }

  settled (taken: Taken): void {
    if (taken.outcome === 'not-stored') this.#host.messageNotStored()
    if (taken.packetId === 0 || this.#gone) this.#release(taken)
    if (this.dirty || this.#gone || (taken.packetId !== 0 && !this.#line.due)) return
    this.#services.flusher.add(this)
  }

  /** Writes what is due. Called once per turn of the event loop for a dirty uplink. */
  flush (nowUs: number): void {
    this.dirty = false
    if (this.#gone) return
    this.#nowUs = nowUs
    const { bytes, count, notStored } = this.#line.take(this.#leaves)
    if (bytes !== null) {
      this.#services.counters.pubacksSent += count
      this.#host.writeAcks(bytes)
    }
    if (notStored) this.#host.uplinkFailed()
    else this.#host.uplinkMoved()
  }

  /** The connection is gone: what the queue still holds will be let go as it settles. */
  leave (): void {
    if (this.#gone) return
    this.#gone = true
    this.#line.abandon((taken) => { if (taken.outcome !== 'waiting') this.#release(taken) })
  }

  #accept (taken: Taken): void {
    const { budget, queue } = this.#services
    const size = taken.payload.length
    this.messages++
    this.bytes += size
    budget.messages++
    budget.bytes += size
    queue.accept(taken)
  }

  #left (taken: Taken): void {
    this.#services.counters.ackLatency.add((this.#nowUs - taken.takenAtUs) | 0)
    this.#release(taken)
  }

  #release (taken: Taken): void {
    const { budget, flusher } = this.#services
    const size = taken.payload.length
    this.messages--
    this.bytes -= size
    budget.messages--
    budget.bytes -= size
    if (budget.waiting > 0) flusher.schedule()
  }
}
