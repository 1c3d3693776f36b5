// A device's MQTT connection, made anew whenever it ends: mqtt.js carries packets, everything that must outlive a connection
// (what is unacknowledged, and in which order) is the outbox's. Takes messages in order, gives acknowledgements; after a
// reconnect everything unacknowledged goes out again first, DUP set, oldest first.
//
// Of mqtt.js only one connection at a time is used (reconnectPeriod 0, a new client each time): its own store would send
// packets again behind our back, in another order, and forgets all at the end of the process.
import { connect, type MqttClient } from 'mqtt'
import { backoffMs } from '../runtime/retry.ts'
import { commandTopic, uplinkTopic } from '../schemas/topics.ts'
import { type Outbox, type OutMessage } from './outbox.ts'
import { type RenewableConnection } from './renew.ts'
import { CertificateTrial } from './renew-trial.ts'
import { type Credentials } from './simulator.ts'
import { type Wheel } from './wheel.ts'

export interface ConnectionOptions {
  readonly id: string
  readonly url: string
  readonly ca: string
  readonly credentials: Credentials
  readonly keepaliveS: number
  readonly inFlight: number
  readonly outbox: Outbox
  readonly wheel: Wheel
  readonly listener: ConnectionListener
}

export interface ConnectionListener {
  /** PUBACK after `latencyMs`; the message is still in the outbox. */
  onAcknowledged (message: OutMessage, latencyMs: number): void
  onSent (message: OutMessage, resend: boolean): void
  onConnected (id: string): void
  /** Left on purpose, to come back with a new certificate. */
  onLeft (id: string): void
  /** Also when an attempt failed (`wasConnected` false). `reason`: the last error, in words; no payload, no key. */
  onDisconnected (id: string, wasConnected: boolean, reason: string): void
  onCommand (id: string, payload: Buffer): void
}

// A whole ward must not come back in one instant after a broker restart; nor may a device stay away for long.
const reconnect = { baseMs: 500, capMs: 10_000 }
// TLS handshake and CONNACK; generous, for a thousand devices connecting to one core
const connectTimeoutMs = 30_000
const closeTimeoutMs = 2_000
// for what is on its way before a device leaves; what is unacknowledged then is sent again
const leaveWithinMs = 5_000

export class DeviceConnection implements RenewableConnection {
  readonly #options: ConnectionOptions
  #client: MqttClient | null = null
  #connected = false
  #closed = false
  #attempts = 0
  #lastError = ''
  readonly #trial: CertificateTrial
  #leaving = false
  /** What is still to go out on this connection, oldest first. */
  #toSend: OutMessage[] = []
  #next = 0
  #inFlight = 0
  /** Sent at least once by this process, on whatever connection. */
  readonly #sentBefore = new WeakSet<OutMessage>()

  constructor (options: ConnectionOptions) {
    this.#options = options
    this.#trial = new CertificateTrial(options.credentials)
  }

  get credentials (): Credentials { return this.#trial.current }
  get id (): string { return this.#options.id }
  get connected (): boolean { return this.#connected }
  get inFlight (): number { return this.#inFlight }

  open (): void {
    if (this.#closed) return
    const { id, url, ca, keepaliveS } = this.#options
    const { keyPem, certPem, caPem } = this.#trial.choose()
    const client = connect(url, {
      protocolVersion: 4,
      clientId: id,
      // the outbox keeps what a session would keep
      clean: true,
      keepalive: keepaliveS,
      reconnectPeriod: 0,
      connectTimeout: connectTimeoutMs,
      resubscribe: false,
      queueQoSZero: false,
      ca: caPem ?? ca,
      key: keyPem,
      cert: certPem
    })
    this.#client = client
    client.on('connect', () => this.#onConnect(client))
    client.on('message', (_topic, payload) => this.#options.listener.onCommand(id, payload))
    client.on('error', (error) => { this.#lastError = error.message })
    client.on('close', () => this.#onClose(client))
  }

  /** A message was added to the outbox; `pump` sends it when it is on disk and its turn. */
  enqueue (message: OutMessage): void {
    if (this.#connected) this.#toSend.push(message)
  }

  /** Writes as many PUBLISHes as the window allows. */
  pump (): void {
    const client = this.#client
    if (!client || !this.#connected || this.#leaving || !this.#options.outbox.written) return
    while (this.#inFlight < this.#options.inFlight && this.#next < this.#toSend.length) {
      const message = this.#toSend[this.#next++]
      if (message) this.#publish(client, message)
    }
    if (this.#next === this.#toSend.length) {
      this.#toSend = []
      this.#next = 0
    }
  }

  tryNext (credentials: Credentials, tried: (proven: boolean) => void): void {
    this.#trial.begin(credentials, tried)
    if (this.#connected) this.#leave() // else the next attempt takes it
  }

  /** Cuts the connection without a DISCONNECT, as a dead radio link does; the device reconnects by itself. */
  drop (): void {
    this.#client?.stream.destroy()
  }

  /** DISCONNECT when nothing is on its way, else just the end of the connection. */
  async close (): Promise<void> {
    this.#closed = true
    const client = this.#client
    this.#client = null
    if (!client) return
    const abrupt = !this.#connected || this.#inFlight > 0
    this.#connected = false
    await new Promise<void>((resolve) => {
      // a peer that never answers the end of the stream
      const timer = setTimeout(() => client.stream.destroy(), closeTimeoutMs)
      client.end(abrupt, {}, () => {
        clearTimeout(timer)
        resolve()
      })
    })
  }

  #publish (client: MqttClient, message: OutMessage): void {
    const { id, outbox, listener } = this.#options
    const resend = this.#sentBefore.has(message) || outbox.isRecovered(message)
    const sentAtMs = performance.now()
    this.#sentBefore.add(message)
    this.#inFlight++
    listener.onSent(message, resend)
    client.publish(uplinkTopic(id, message.topic), message.payload, { qos: 1, dup: resend }, (error) => {
      // an answer for a connection that is gone: the next one sends the message again
      if (client !== this.#client) return
      this.#inFlight--
      if (error) {
        // mqtt.js gave up on it: only a new connection sends it again
        this.#lastError = error.message
        this.drop()
        return
      }
      listener.onAcknowledged(message, performance.now() - sentAtMs)
      this.#leaveWhenDone()
      this.pump()
    })
  }

  #onConnect (client: MqttClient): void {
    const { id, outbox, listener } = this.#options
    if (client !== this.#client) return
    this.#connected = true
    this.#attempts = 0
    this.#inFlight = 0
    this.#toSend = [...outbox.queue(id)]
    this.#next = 0
    client.subscribe(commandTopic(id), { qos: 1 }, (error) => { if (error) this.#lastError = error.message })
    listener.onConnected(id)
    if (this.#trial.connected()) this.#leave()
    this.pump()
  }

  /** Sends nothing more, waits a little for what is on its way, disconnects and comes back. */
  #leave (): void {
    const client = this.#client
    this.#leaving = true
    this.#leaveWhenDone()
    this.#options.wheel.after(leaveWithinMs, () => { if (this.#leaving && this.#client === client) this.drop() })
  }

  #leaveWhenDone (): void {
    if (this.#leaving && this.#inFlight === 0) this.#client?.end()
  }

  #onClose (client: MqttClient): void {
    if (client !== this.#client) return
    const { id, wheel, listener } = this.#options
    const wasConnected = this.#connected
    const left = wasConnected && this.#leaving
    this.#leaving = false
    if (!wasConnected) this.#trial.refused()
    this.#client = null
    this.#connected = false
    this.#inFlight = 0
    this.#toSend = []
    this.#next = 0
    client.end(true)
    if (this.#closed) return
    if (left) {
      listener.onLeft(id)
      wheel.after(0, () => this.open())
      return
    }
    listener.onDisconnected(id, wasConnected, this.#lastError || (wasConnected ? 'connection closed' : 'connection refused'))
    this.#lastError = ''
    wheel.after(backoffMs({ ...reconnect, attempt: this.#attempts++ }), () => this.open())
  }
}
