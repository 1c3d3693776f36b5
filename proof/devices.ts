// The simulated devices of a set-up, in the proof's own process, because they must survive every kill: one simulator a broker
// (its devices know no other address), each with its own ledger. Takes the brokers' addresses; gives counts, the evidence
// against a database, and what the ledgers hold.
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type DevelopmentAuthority } from '../certs/development.ts'
import { type Database } from '../ingest/database.ts'
import { createRegistry } from '../ingest/registry.ts'
import { quietObservability } from '../runtime/observability.ts'
import { sleep } from '../runtime/retry.ts'
import { createEnrolment } from '../simulator/enrol.ts'
import { createFleet, type Fleet, type FleetDevice, type FleetOptions } from '../simulator/fleet.ts'
import { hash32 } from '../simulator/random.ts'
import { startSimulator, type Credentials, type Simulator } from '../simulator/simulator.ts'
import { type Evidence, joinEvidence, prepareFleet, prove } from './evidence.ts'
import { type DeviceFacts } from './facts.ts'
import { type HeldBoot } from './gaps.ts'

export interface DevicesOptions {
  /** For outboxes and ledgers of this scenario. */
  readonly directory: string
  /** For keys and certificates, shared by the scenarios of a run: a fleet of one seed has the same ids each time. */
  readonly enrolled: string
  readonly authority: DevelopmentAuthority
  /** As the owner: devices and pairings are registered before they connect. */
  readonly database: Database
  readonly seed: number
  /** Messages a second of each device. */
  readonly rate: number
}

// A dead link is noticed within 1.5 times this; a proof has no minute to wait for it.
const keepaliveS = 5
// Fuller than the default: a long outage must not make devices throw messages away, which would be no fault of ours.
const outboxLimits = { messagesPerPublisher: 50_000, bytes: 512 * 1_024 * 1_024 }
const pollMs = 50

export class Devices {
  readonly #options: DevicesOptions
  readonly #credentials: (id: string) => Promise<Credentials>
  readonly #ca: string
  readonly #simulators: Simulator[] = []

  private constructor (options: DevicesOptions, credentials: (id: string) => Promise<Credentials>, ca: string) {
    this.#options = options
    this.#credentials = credentials
    this.#ca = ca
  }

  static async open (options: DevicesOptions): Promise<Devices> {
    const { authority, paths } = options.authority
    const credentials = await createEnrolment({ directory: options.enrolled, authority })
    return new Devices(options, credentials, await readFile(paths.ca, 'utf8'))
  }

  /** Registers a fleet, enrols it, and switches it on at the broker behind `url`. */
  async add (url: string, fleetOptions: Omit<FleetOptions, 'seed'> & { readonly rate?: number }): Promise<Simulator> {
    const { database, directory } = this.#options
    const { rate = this.#options.rate, ...fleet } = fleetOptions
    const made = this.#nextFleet(fleet)
    await prepareFleet(createRegistry(database, { enrolment: 'active' }, quietObservability()), made)
    const simulator = await startSimulator({
      url, ca: this.#ca, fleet: made, credentials: this.#credentials, directory: join(directory, `fleet-${this.#simulators.length + 1}`), rate, keepaliveS, outboxLimits, observability: quietObservability()
    })
    this.#simulators.push(simulator)
    return simulator
  }

  /** The first device of the fleet that `add` with the same options would switch on next. */
  next (fleet: Omit<FleetOptions, 'seed'>): FleetDevice {
    const [first] = this.#nextFleet(fleet).devices
    if (first === undefined) throw new RangeError('a fleet has at least one device')
    return first
  }

  #nextFleet (fleet: Omit<FleetOptions, 'seed'>): Fleet {
    return createFleet({ seed: hash32('proof fleet', this.#options.seed, this.#simulators.length), ...fleet })
  }

  get ids (): string[] { return this.#simulators.flatMap(({ fleet }) => fleet.devices.map(({ id }) => id)) }

  facts (): DeviceFacts {
    const all = this.#simulators.map((simulator) => simulator.stats())
    const sum = (name: Exclude<keyof DeviceFacts, 'mostDisconnections'>): number => all.reduce((total, stats) => total + stats[name], 0)
    return {
      made: sum('made'),
      acknowledged: sum('acknowledged'),
      outstanding: sum('outstanding'),
      dropped: sum('dropped'),
      resent: sum('resent'),
      recovered: sum('recovered'),
      mostDisconnections: Math.max(0, ...all.map(({ mostDisconnections }) => mostDisconnections))
    }
  }

  /** Resolves when every device is connected and another `messages` have been acknowledged; rejects at the deadline. */
  async flowing (messages: number, deadlineMs: number, signal: AbortSignal): Promise<void> {
    const { acknowledged } = this.facts()
    const all = (): boolean => this.#simulators.every((simulator) => simulator.stats().connected === simulator.stats().connections)
    for (const untilMs = performance.now() + deadlineMs; !all() || this.facts().acknowledged < acknowledged + messages;) {
      if (performance.now() > untilMs) throw new Error(`the devices did not get going within ${deadlineMs / 1_000} s: ${this.describe()}`)
      await sleep(pollMs, signal)
    }
  }

  /** No more measuring; true when everything was acknowledged by the deadline. */
  async drain (graceMs: number): Promise<boolean> {
    const drained = await Promise.all(this.#simulators.map((simulator) => simulator.drain({ graceMs })))
    return drained.every(Boolean)
  }

  async evidence (database: Database): Promise<Evidence> {
    const all: Evidence[] = []
    for (const simulator of this.#simulators) all.push(await prove(database, simulator))
    return joinEvidence(all)
  }

  /** What the ledgers hold as acknowledged. */
  heldBoots (): HeldBoot[] {
    return this.#simulators.flatMap(({ ledger }) => [...ledger.boots])
  }

  describe (): string {
    const all = this.#simulators.map((simulator) => simulator.stats())
    return all.map(({ connected, connections, acknowledged, outstanding, disconnected }, index) =>
      `fleet ${index + 1}: ${connected} of ${connections} connected, ${acknowledged} acknowledged, ${outstanding} outstanding${disconnected === null ? '' : `, last fault: ${disconnected}`}`).join('; ')
  }

  async close (): Promise<void> {
    await Promise.allSettled(this.#simulators.map((simulator) => simulator.close()))
  }
}
