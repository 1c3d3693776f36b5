// The front: the Duplex between one TLS socket and `aedes.handle()`. It frames what comes in, keeps uplink PUBLISH for
// itself (uplink.ts) and passes every other packet to Aedes; what Aedes writes goes to the socket. It alone decides when
// the socket is read, and everything that must not go on without bound stops the reading: a CONNECT not yet answered, too
// much unacknowledged, a peer that does not read. docs/broker.md draws the life of a connection.
import { Duplex } from 'node:stream'
import { type TLSSocket } from 'node:tls'
import { type Party } from './audit-events.ts'
import { type Waiter } from './budget.ts'
import { type FrameSink } from './frames.ts'
import { type Identity } from './identity.ts'
import { Inlet } from './inlet.ts'
import { lateness, type Times } from './lateness.ts'
import { UplinkTopics } from './publish.ts'
import { type RefusalFields, type RefusalReason } from './refusals.ts'
import { connackVersion, disposition, packetType, pingresp, protocolLevel, publishOverheadBytes } from './packets.ts'
import { stop } from './stops.ts'
import { Throttle } from './throttle.ts'
import { Uplink, type UplinkHost, type UplinkServices } from './uplink.ts'

export type Stage = 'greeting' | 'connecting' | 'connected' | 'closed'

export class Front extends Duplex implements FrameSink, Waiter, UplinkHost {
  /** Aedes hangs its client here. */
  client: unknown = null
  readonly identity: Identity
  readonly uplink: Uplink
  /** Of the peer, without a port. */
  readonly address: string
  /** Who is at the other end, for log and audit. */
  readonly party: Party
  /** Resolves when Aedes has let go of the session too; only then may the device's next session begin. */
  readonly gone: Promise<void>
  maxFrameBytes: number
  stage: Stage = 'greeting'
  readonly since: Times
  /** 0: no keepalive was asked for. */
  keepaliveMs = 0
  silenceMs = Infinity
  refused: RefusalReason | null = null
  #goneResolve: () => void = () => {}
  readonly #socket: TLSSocket
  readonly #services: UplinkServices
  readonly #topics: UplinkTopics
  readonly #inlet: Inlet
  readonly #throttle: Throttle
  #disconnect: Buffer | null = null
  #left = false

  constructor (socket: TLSSocket, identity: Identity, address: string, services: UplinkServices) {
    super({ allowHalfOpen: true })
    const now = performance.now()
    this.since = { accepted: now, heard: now, writeStopped: 0, spoke: now, farewell: 0, closed: 0 }
    this.gone = new Promise((resolve) => { this.#goneResolve = resolve })
    this.identity = identity
    this.address = address
    this.party = { device: identity.id, address, serial: identity.serial, issuer: identity.issuer }
    this.maxFrameBytes = services.limits.maxConnectBytes
    this.#socket = socket
    this.#services = services
    this.#topics = new UplinkTopics(identity.id)
    this.uplink = new Uplink(this, identity.id, this.#topics, services)
    this.#inlet = new Inlet(socket, this, this.since, services.counters)
    this.#throttle = new Throttle(services.paces, this.#inlet, identity.id)
    socket.on('drain', () => this.#inlet.go(stop.write))
    socket.on('end', () => this.#ended())
    socket.on('error', () => this.destroy())
    socket.on('close', () => this.destroy())
  }

  get stops (): number { return this.#inlet.stops }

  get blocked (): boolean { return this.#inlet.stops !== 0 }

  get socketClosed (): boolean { return this.#socket.closed }

  /** Written for the peer and not taken by it, bytes. */
  get unwritten (): number { return this.#socket.writableLength + this.writableLength }

  /** CONNACK 0 has gone out: what waited behind CONNECT may be looked at now. */
  connected (keepaliveS: number): void {
    const { limits } = this.#services
    if (this.stage !== 'connecting') return
    this.stage = 'connected'
    this.#services.counters.sessions++
    this.keepaliveMs = keepaliveS * 1_000
    this.silenceMs = 1_500 * (keepaliveS === 0 ? limits.maxKeepaliveS : keepaliveS) // [MQTT-3.1.2-24]
    this.maxFrameBytes = publishOverheadBytes + this.#topics.longest + limits.maxPayloadBytes
    this.emit('connected')
    this.#inlet.go(stop.connack)
  }

  /** Notes why this connection is refused and looks at nothing more; whoever called sees to the closing. */
  deny (reason: RefusalReason, fields?: RefusalFields): void {
    if (this.refused !== null) return
    this.refused = reason
    this.#inlet.stop(stop.closed)
    this.#services.counters.refusals.add(reason, { ...this.party, ...(this.stage === 'connected' && { session: true }), ...fields })
  }

  /** Refuses and closes. */
  refuse (reason: RefusalReason, fields?: RefusalFields): void {
    this.deny(reason, fields)
    this.destroy()
  }

  /** Reads no more; acknowledgements still leave. */
  drain (): void {
    if (this.stage === 'connected') this.#inlet.stop(stop.drain)
    else if (this.stage !== 'closed') this.refuse('draining')
  }

  /** Aedes has forgotten this session. */
  forgotten (): void { this.#goneResolve() }

  /** Called by the keeper, a few times a second: ends what is late, speaks for what cannot be read. */
  look (nowMs: number, wallMs: number): void {
    this.#throttle.look()
    const late = lateness(this, this.#services.limits, nowMs, wallMs)
    if (late === null) return
    if (late === 'cut') this.#socket.destroy()
    else if (late === 'leave') this.#leave()
    else if (late === 'ping') {
      this.since.spoke = nowMs
      this.#write(pingresp)
    } else this.refuse(late)
  }

  /** Cuts the connection without waiting for anything. */
  cut (): void {
    this.destroy()
    this.#socket.destroy()
  }

  frame (buffer: Buffer, start: number, body: number, end: number): void {
    this.since.heard = this.#services.counters.nowMs
    const type = (buffer[start] as number) >> 4
    this.#throttle.took(end - start)
    if (type !== packetType.publish || this.stage !== 'connected') return this.#control(type, buffer, start, body, end)
    const fault = this.uplink.take(buffer, start, body, end)
    if (fault !== null) return this.refuse(fault)
    if (this.uplink.full) this.#inlet.stop(stop.room)
    if (this.#services.budget.spent) {
      this.#inlet.stop(stop.budget)
      this.#services.budget.wait(this)
    }
  }

  broken (fault: 'malformed' | 'too-large'): void {
    this.refuse(fault === 'malformed' ? 'malformed' : 'frame-too-large')
  }

  budgetFree (): void { this.#inlet.go(stop.budget) }

  messageNotStored (): void { this.#services.counters.refusals.add('not-stored', this.party) }

  writeAcks (bytes: Buffer): void { this.#write(bytes) }

  uplinkMoved (): void {
    if (this.stage === 'closed') return
    if (this.#inlet.has(stop.room) && this.uplink.roomy) this.#inlet.go(stop.room)
    if (this.#inlet.has(stop.farewell) && this.uplink.idle) this.#leave()
  }

  uplinkFailed (): void {
    this.refused ??= 'not-stored' // counted by the message
    this.destroy()
  }

  override _read (): void { this.#inlet.go(stop.control) }

  override _write (chunk: Buffer, _encoding: BufferEncoding, done: () => void): void { this.#write(chunk, done) }

  override _writev (chunks: Array<{ chunk: Buffer }>, done: () => void): void {
    this.#write(Buffer.concat(chunks.map(({ chunk }) => chunk)), done)
  }

  /** Aedes, a refusal or the peer ends the connection: what is due is written, then the socket ends in its own time. */
  override _destroy (error: Error | null, done: (error: Error | null) => void): void {
    if (error !== null) this.deny(error.message === 'drain timeout' ? 'write-stalled' : 'malformed', { detail: error.message })
    const { counters } = this.#services
    counters.tick()
    this.#inlet.stop(stop.closed)
    if (this.stage === 'connected') counters.sessions--
    this.stage = 'closed'
    this.since.closed = counters.nowMs
    this.uplink.flush(counters.nowUs)
    this.uplink.leave()
    this.#services.budget.forget(this)
    this.#throttle.leave()
    this.#socket.end()
    this.#inlet.discard()
    done(null)
  }

  /** Everything that is not an uplink PUBLISH of a connected device. */
  #control (type: number, buffer: Buffer, start: number, body: number, end: number): void {
    const what = disposition(type, this.stage)
    if (what === 'greet') {
      const level = protocolLevel(buffer, body, end)
      if (level !== null && level !== 4) { // [MQTT-3.1.2-2]; no protocol name of ours: Aedes calls it malformed
        this.#write(connackVersion)
        return this.refuse('protocol-version', { level })
      }
      this.stage = 'connecting'
      this.#inlet.stop(stop.connack)
      this.#pass(buffer, start, end)
    } else if (what !== 'pass' && what !== 'farewell') this.refuse(what, { packet: type })
    else if (end - start > this.#services.limits.maxConnectBytes) this.refuse('frame-too-large')
    else if (what === 'pass') this.#pass(buffer, start, end)
    else this.#farewell(Buffer.from(buffer.subarray(start, end)))
  }

  #pass (buffer: Buffer, start: number, end: number): void {
    if (!this.push(Buffer.from(buffer.subarray(start, end)))) this.#inlet.stop(stop.control)
  }

  /** The peer has said all it will: a DISCONNECT, or the end of its stream. Acknowledgements due go out first. */
  #farewell (disconnect: Buffer | null): void {
    this.#disconnect = disconnect
    this.since.farewell = this.#services.counters.nowMs
    this.#inlet.stop(stop.farewell)
    if (this.uplink.idle) this.#leave()
  }

  #leave (): void {
    if (this.#left) return // a second call must not turn a DISCONNECT into a loss of connection
    this.#left = true
    // with DISCONNECT Aedes closes and drops the will; without it the close is one that the will speaks of
    if (this.#disconnect === null) this.destroy()
    else this.push(this.#disconnect)
  }

  #ended (): void {
    if (this.stage !== 'connected') this.destroy()
    else if (!this.#inlet.has(stop.farewell)) this.#farewell(null)
  }

  #write (bytes: Buffer, done?: () => void): void {
    const socket = this.#socket
    const room = done === undefined ? socket.write(bytes) : socket.write(bytes, () => done())
    if (room || this.stage === 'closed') return
    if (!this.#inlet.has(stop.write)) this.since.writeStopped = performance.now()
    this.#inlet.stop(stop.write)
    if (socket.writableLength > this.#services.limits.maxWriteBytes) this.refuse('write-stalled')
  }
}
