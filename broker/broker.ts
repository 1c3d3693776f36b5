// The broker as the rest of Pulsegate sees it: start it with certificates, a queue and a registry; it takes messages
// from devices over mutual TLS, gives them to the queue, and answers PUBACK when the queue says durable.
import { once } from 'node:events'
import { type AddressInfo } from 'node:net'
import { setTimeout } from 'node:timers/promises'
import { type TLSSocket } from 'node:tls'
import { silentTrail } from '../runtime/audit.ts'
import { type HandshakeGate } from '../runtime/handshake-gate.ts'
import { type Observability } from '../runtime/observability.ts'
import { PulsegateError } from '../runtime/errors.ts'
import { type DeviceState } from '../schemas/device.ts'
import { Admissions } from './admission.ts'
import { Budget } from './budget.ts'
import { type Broker, type BrokerOptions } from './contract.ts'
import { Control } from './control.ts'
import { Counters } from './counters.ts'
import { loadCredentials, type CredentialEnd, type Credentials } from './credentials.ts'
import { Flusher } from './flusher.ts'
import { Front } from './front.ts'
import { Guard } from './guard.ts'
import { type Identity } from './identity.ts'
import { Keeper } from './keeper.ts'
import { defaultLimits, type Limits } from './limits.ts'
import { Listener } from './listener.ts'
import { observe } from './metrics.ts'
import { PaceSetter } from './pace.ts'
import { joinPeers } from './peers.ts'
import { Refusals } from './refusals.ts'
import { Revocations } from './revocations.ts'
import { Sessions } from './sessions.ts'
import { statsOf, type BrokerStats } from './stats.ts'
import { type UplinkServices } from './uplink.ts'

export type { CredentialEnd, TlsFiles } from './credentials.ts'
export type { BrokerStats } from './stats.ts'
export type { Broker, BrokerOptions } from './contract.ts'

/** Starts listening. Rejects with a TLS_FILE_* or PORT_UNAVAILABLE PulsegateError naming the path or address. */
export async function startBroker (options: BrokerOptions): Promise<Broker> {
  const broker = new RunningBroker(options, await loadCredentials(options.tls))
  await broker.start()
  return broker
}

class RunningBroker implements Broker {
  readonly #options: BrokerOptions
  readonly #log: Observability['log']
  readonly #limits: Limits
  readonly #refusals: Refusals
  readonly #services: UplinkServices
  readonly #sessions = new Sessions()
  readonly #guard: Guard
  readonly #admissions: Admissions
  readonly #revocations: Revocations
  readonly #keeper: Keeper
  readonly #control: Control
  readonly #listener: Listener
  readonly #unobserve: () => void
  readonly #leavePeers: () => void
  #reloading: Promise<void> = Promise.resolve()
  #draining = false

  constructor (options: BrokerOptions, credentials: Credentials) {
    const log = options.observability.log.child({ part: 'broker' })
    const observability = { ...options.observability, log }
    this.#options = options
    this.#log = log
    this.#limits = { ...defaultLimits, ...options.limits }
    this.#refusals = new Refusals(log)
    const budget = new Budget(this.#limits.maxTotalMessages, this.#limits.maxTotalBytes)
    const counters = new Counters(this.#refusals)
    this.#services = { limits: this.#limits, queue: options.queue, budget, counters, flusher: new Flusher(budget), paces: new PaceSetter(this.#limits) }
    this.#admissions = new Admissions(options.registry, this.#limits, log)
    this.#control = new Control({ limits: this.#limits, counters, admissions: this.#admissions, sessions: this.#sessions, observability })
    this.#revocations = new Revocations(credentials.trust.revoked)
    const { limits, refusals } = { limits: this.#limits, refusals: this.#refusals }
    this.#guard = new Guard({ limits, refusals, audit: options.audit ?? silentTrail, revoked: (serial) => this.#revocations.has(serial), observability })
    this.#listener = new Listener(credentials, { limits, refusals, revocations: this.#revocations, addresses: this.#guard.addresses }, {
      refuses: (identity) => this.#guard.refuses(identity),
      device: (socket, identity, address) => this.#device(socket, identity, address)
    })
    this.#keeper = new Keeper(counters, this.#services.paces, (nowMs) => {
      this.#listener.gate.tick(nowMs)
      this.#guard.tick()
    })
    this.#leavePeers = options.peers === undefined
      ? () => {}
      : joinPeers({ peers: options.peers, sessions: this.#sessions, revocations: this.#revocations, guard: this.#guard, revoked: () => this.#endRevoked() })
    this.#unobserve = observe(observability.meter, () => this.stats())
  }

  get address (): { host: string, port: number } {
    const bound = this.#listener.server.address() as AddressInfo | null
    return { host: this.#options.host, port: bound?.port ?? this.#options.port }
  }

  async start (): Promise<void> {
    await this.#control.start()
    const { server } = this.#listener
    const { host, port } = this.#options
    try {
      server.listen(port, host)
      await once(server, 'listening')
    } catch (error) {
      await this.close({ graceMs: 0 })
      throw new PulsegateError('PORT_UNAVAILABLE', `the broker cannot listen on ${host}:${port}: ${(error as NodeJS.ErrnoException).code ?? 'unknown'}`, { cause: error })
    }
    server.on('error', (error: Error) => this.#log.error({ error: error.message }, 'listener'))
    const { endsAtMs, endsFirst } = this.#listener.credentials
    this.#log.info({ address: this.address, credentialsUntil: endsAtMs === Infinity ? null : new Date(endsAtMs).toISOString(), endsFirst }, 'broker listens')
  }

  get handshakes (): HandshakeGate { return this.#listener.gate }

  get certificateEnds (): readonly CredentialEnd[] { return this.#listener.credentials.ends }

  stats (): BrokerStats {
    return statsOf({ ...this.#services, fronts: this.#keeper.fronts, refusals: this.#refusals, gate: this.#listener.gate, guard: this.#guard, draining: this.#draining })
  }

  disconnect (id: string, reason: string): boolean {
    return this.#sessions.end(id, 'disconnected', { detail: reason })
  }

  pardon (id: string): boolean { return this.#guard.pardon(id) }

  async command (id: string, payload: Uint8Array): Promise<void> {
    await this.#control.command(id, payload)
  }

  registryChanged (id: string, state: DeviceState): void {
    this.#admissions.tell(id, state)
    if (state === 'active') this.pardon(id) // somebody has looked at it
    else this.#sessions.end(id, state)
  }

  knownIds (): Iterable<string> {
    return new Set([...this.#sessions.ids(), ...this.#admissions.remembered()])
  }

  async reloadCertificates (): Promise<void> {
    // one after the other: files that were read earlier must not be taken later
    const mine = this.#reloading.then(() => this.#reload())
    this.#reloading = mine.catch(() => {})
    await mine
  }

  async #reload (): Promise<void> {
    const credentials = await loadCredentials(this.#options.tls)
    this.#listener.replace(credentials)
    const news = this.#revocations.replaceLists(credentials.trust.revoked)
    this.#options.peers?.revoked(news)
    this.#endRevoked()
    this.#log.info({ revoked: credentials.trust.revoked.size, news: news.length }, 'certificates and revocation lists read again')
  }

  #endRevoked (): void {
    const { issuerIds } = this.#listener.credentials.trust
    for (const front of this.#keeper.fronts) {
      if (front.stage === 'closed') continue
      if (this.#revocations.has(front.identity.serial)) front.refuse('certificate-revoked')
      else if (!issuerIds.has(front.identity.issuedBy)) front.refuse('certificate-issuer')
    }
  }

  drain (): void {
    if (this.#draining) return
    this.#draining = true
    this.#listener.close()
    this.#control.drain()
    for (const front of this.#keeper.fronts) front.drain()
  }

  async close ({ graceMs }: { graceMs: number }): Promise<void> {
    this.drain()
    await until(() => this.#written(), graceMs)
    for (const front of this.#keeper.fronts) front.destroy()
    await until(() => this.#keeper.fronts.size === 0, Math.min(graceMs, this.#limits.lingerMs))
    for (const front of this.#keeper.fronts) front.cut()
    await this.#control.close()
    this.#leavePeers()
    this.#keeper.close()
    this.#guard.close()
    this.#unobserve()
  }

  /** Nothing is owed to anybody, and what was written has been taken. */
  #written (): boolean {
    for (const front of this.#keeper.fronts) if (!front.uplink.idle || front.unwritten > 0) return false
    return true
  }

  #device (socket: TLSSocket, identity: Identity, address: string): void {
    const front = new Front(socket, identity, address, this.#services)
    this.#keeper.fronts.add(front)
    this.#guard.watch(front)
    socket.once('close', () => this.#keeper.fronts.delete(front))
    this.#control.handle(front)
    if (this.#draining) front.drain()
  }
}

/** Looks every few milliseconds (only while stopping) until `done` or `ms` have gone by. */
async function until (done: () => boolean, ms: number): Promise<void> {
  const deadline = performance.now() + ms
  while (!done() && performance.now() < deadline) await setTimeout(5)
}
