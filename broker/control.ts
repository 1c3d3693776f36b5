// Aedes as the control plane: CONNECT and sessions, SUBSCRIBE, downlink, wills, PING. It sees a front, never a socket, and
// never an uplink PUBLISH. This file holds every hook and every internal of Aedes we rely on; the contract test
// (test/broker/aedes-contract.test.ts) fails when one of them changes. Rights are denied by default: one topic to read.
import { Aedes, type AedesOptions, type Client } from 'aedes'
import { PulsegateError } from '../runtime/errors.ts'
import { commandTopic } from '../schemas/topics.ts'
import { type Observability } from '../runtime/observability.ts'
import { type Admissions } from './admission.ts'
import { type Counters } from './counters.ts'
import { type Front } from './front.ts'
import { connackCode, helloFault, uplinkKindOf, type Hello } from './hello.ts'
import { type Limits } from './limits.ts'
import { type RefusalReason } from './refusals.ts'
import { type Sessions } from './sessions.ts'
import { internals } from './aedes-internals.ts'

export interface ControlServices {
  readonly limits: Limits
  readonly counters: Counters
  readonly admissions: Admissions
  readonly sessions: Sessions
  readonly observability: Observability
}

export class Control {
  readonly #services: ControlServices
  readonly #aedes: Aedes
  readonly #hellos = new WeakMap<Front, Hello>()
  /** Fronts that Aedes has on its list; it says when it lets go of them. */
  readonly #registered = new WeakSet<Front>()
  #draining = false

  constructor (services: ControlServices) {
    this.#services = services
    const { log } = services.observability
    this.#aedes = new Aedes({
      concurrency: 10_000, // below that mqemitter queues without bound under load
      connectTimeout: services.limits.connectTimeoutMs * 2, // the keeper is first and knows the reason
      drainTimeout: services.limits.writeStallMs,
      keepaliveLimit: 0, // the front keeps time; Aedes would refuse the 0 we put into its CONNECT
      preConnect: (client, packet, done) => {
        const front = frontOf(client)
        this.#hellos.set(front, helloOf(packet))
        packet.keepalive = 0
        done(null, true) // always: an answer of no here would leave the socket open without a CONNACK
      },
      authenticate: (client, _username, _password, done) => {
        this.#enter(frontOf(client)).then(
          (reason) => reason === null ? done(null, true) : done(Object.assign(new Error(reason), { returnCode: connackCode(reason) }), false),
          (error: unknown) => done(Object.assign(new Error('authenticate', { cause: error }), { returnCode: 3 }), false)
        )
      },
      // Only wills come here, uplink PUBLISH never does. An error makes Aedes drop the will, which by then is ours
      authorizePublish: (client, packet, done) => {
        if (client !== null && (packet as { cmd?: string }).cmd === undefined) this.#will(frontOf(client), packet.topic, packet.payload)
        done(new Error('nothing is published by clients'))
      },
      authorizeSubscribe: (client, subscription, done) => {
        const front = frontOf(client)
        if (subscription.topic === commandTopic(front.identity.id)) return done(null, subscription)
        services.counters.refusals.add('subscribe-foreign', front.party)
        done(null, null) // SUBACK 0x80
      },
      authorizeForward: (client, packet) => packet.topic === commandTopic(frontOf(client).identity.id) ? packet : null
    })
    this.#aedes.on('error' as 'closed', ((error: Error) => log.error({ error: error.message }, 'Aedes reports an error')) as () => void)
    this.#aedes.on('clientError', (client, error) => log.debug({ device: client.id, error: error.message }, 'client error'))
    this.#aedes.on('connackSent', (packet, client) => {
      const front = frontOf(client)
      if (packet.returnCode === 0) front.connected(this.#hellos.get(front)?.keepaliveS ?? 0)
    })
    this.#aedes.on('clientDisconnect', (client) => this.#forget(frontOf(client)))
    this.#aedes.on('client', (client) => {
      const front = frontOf(client)
      this.#registered.add(front)
      // Aedes registers a client although it was closed while its session was being restored; take it out again
      if (front.stage === 'closed') setImmediate(() => internals.unregister(this.#aedes, client))
    })
  }

  async start (): Promise<void> {
    await this.#aedes.listen()
    // Aedes stores every filter of a SUBSCRIBE if one of them was granted; keep what was granted
    internals.filterStoredSubscriptions(this.#aedes, (id, topic) => topic === commandTopic(id))
  }

  /** Gives the connection to Aedes. */
  handle (front: Front): void {
    front.once('close', () => { if (!this.#registered.has(front)) this.#forget(front) })
    this.#aedes.handle(front)
  }

  /** Publishes a command, see Broker.command. */
  async command (id: string, payload: Uint8Array): Promise<void> {
    const { maxWaitingCommands } = this.#services.limits
    const topic = commandTopic(id)
    const live = this.#services.sessions.get(id)?.stage === 'connected'
    if (!await internals.subscribed(this.#aedes, id, topic)) throw new PulsegateError('DEVICE_AWAY', `device ${id} is ${live ? 'connected but does not subscribe to its command topic' : 'not connected and has no session that waits'}`)
    const waiting = await internals.waitingCommands(this.#aedes, id, maxWaitingCommands)
    if (waiting >= maxWaitingCommands) throw new PulsegateError('COMMAND_BACKLOG', `${waiting} commands wait for device ${id}`)
    await new Promise<void>((resolve, reject) => {
      // one QoS for all downlink: Aedes drops QoS 1 messages that a QoS 0 message overtakes
      this.#aedes.publish({ cmd: 'publish', topic, payload: Buffer.from(payload), qos: 1, retain: false, dup: false }, (error) => error ? reject(error) : resolve())
    })
  }

  /** From now on no will is spoken: the sessions end because we do. */
  drain (): void { this.#draining = true }

  async close (): Promise<void> {
    await new Promise<void>((resolve) => { this.#aedes.close(resolve) })
  }

  /** Everything between CONNECT and CONNACK. Null: come in. */
  async #enter (front: Front): Promise<RefusalReason | null> {
    const reason = await this.#judge(front)
    if (reason !== null && front.stage !== 'closed') front.deny(reason)
    return reason
  }

  async #judge (front: Front): Promise<RefusalReason | null> {
    const { limits, admissions, sessions } = this.#services
    const hello = this.#hellos.get(front)
    const { id } = front.identity
    if (this.#draining || hello === undefined) return 'draining'
    const fault = helloFault(hello, id, limits)
    if (fault !== null) return fault
    const endTurn = await sessions.turn(id)
    // the turn ends when CONNACK has gone out or the connection has closed, whichever comes
    if (front.stage === 'closed') endTurn()
    else front.once('close', endTurn).once('connected', endTurn)
    if (front.stage === 'closed') return 'connect-timeout'
    const visit = admissions.visit(id)
    try {
      const state = await visit.ask()
      if (state !== null) return state
      if (!await sessions.takeOver(front)) return 'takeover-timeout'
      return visit.changed() // from here on the session is in the list, and whoever changes the state ends it
    } finally {
      visit.end()
    }
  }

  #will (front: Front, topic: string, payload: Buffer | string): void {
    const kind = uplinkKindOf(topic, front.identity.id)
    if (this.#draining || kind === null) return
    front.uplink.takeWill(kind, Buffer.from(payload))
  }

  #forget (front: Front): void {
    this.#services.sessions.leave(front)
    front.forgotten()
  }
}

/** Aedes was given a front as the connection. */
function frontOf (client: Client): Front {
  return client.conn as Front
}

function helloOf (packet: Parameters<NonNullable<AedesOptions['preConnect']>>[1]): Hello {
  const { clientId, keepalive = 0, will } = packet
  return { clientId, keepaliveS: keepalive, will: will === undefined ? null : { topic: will.topic, qos: will.qos ?? 0, retain: will.retain ?? false } }
}
