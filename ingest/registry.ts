// The registry of devices: who is known, in which state, paired with whom. Its `admit` is what the broker asks at every
// CONNECT; the rest serves the composing of a process. A person's changes go through registry-change.ts. The worker sees a change
// within a second (lookup.ts).
//
// Admissions that come at the same time share one statement: a thousand devices that come back after a power cut cost a
// handful of commits, not a thousand.
import { type Admission, type DeviceState } from '../schemas/device.ts'
import { type AuditTrail, silentTrail } from '../runtime/audit.ts'
import { PulsegateError } from '../runtime/errors.ts'
import { type Observability } from '../runtime/observability.ts'
import { type Database } from './database.ts'
import { admitRound, type Round } from './registry-admit.ts'
import { defaultRegistrationsPerMinute, RegistrationBudget } from './registry-budget.ts'
import { registered, registrationsRefused, registryAgent, stateChanged } from './registry-events.ts'
import { lockDevices, unknownDevice } from './registry-lock.ts'
import { pairSensor } from './registry-pairings.ts'

export interface RegistrySettings {
  /** The state in which an unknown device with a good certificate is registered. */
  readonly enrolment: 'active' | 'pending'
  /** How many unknown devices `admit` registers in a minute; those beyond are refused with REGISTRATION_LIMITED. Default 6,000. */
  readonly registrationsPerMinute?: number
  /** Told of each change once it is committed; default: nobody. */
  readonly audit?: AuditTrail
}

/** What is known of a device before it first connects. */
export interface NewDevice { readonly id: string, readonly kind?: string, readonly model?: string, readonly state?: DeviceState }

export interface DeviceRegistry {
  /**
   * The state of `id`, registered first if it is unknown. Rejects with REGISTRATION_LIMITED when too many unknown devices came in this
   * minute, with the database's error, or when `signal` aborts.
   */
  admit (id: string, signal: AbortSignal): Promise<Admission>
  /** Registers those that are not known yet; leaves the others as they are. Gives how many were new. */
  register (devices: readonly NewDevice[]): Promise<number>
  /**
   * From `fromMs` on the sensor speaks through `gateway`; an open pairing with another gateway ends then. The gateway must be
   * registered; a sensor that is not becomes so, as active.
   */
  pair (gateway: string, sensor: string, fromMs?: number): Promise<void>
  /** Whatever it was before; what a person may change is decided in registry-states.ts. */
  setState (id: string, state: DeviceState): Promise<void>
}

interface Waiting { readonly resolve: (admission: Admission) => void, readonly reject: (error: unknown) => void }

class DatabaseRegistry implements DeviceRegistry {
  readonly #database: Database
  readonly #enrolment: DeviceState
  readonly #budget: RegistrationBudget
  readonly #log: Observability['log']
  readonly #audit: AuditTrail
  #waiting = new Map<string, Waiting[]>()
  #asking = false

  constructor (database: Database, { enrolment, registrationsPerMinute = defaultRegistrationsPerMinute, audit = silentTrail }: RegistrySettings, { log }: Observability) {
    this.#database = database
    this.#enrolment = enrolment
    this.#budget = new RegistrationBudget(registrationsPerMinute)
    this.#log = log.child({ part: 'registry' })
    this.#audit = audit
  }

  admit (id: string, signal: AbortSignal): Promise<Admission> {
    return new Promise((resolve, reject) => {
      if (signal.aborted) { reject(abortReason(signal)); return }
      const gaveUp = (): void => { reject(abortReason(signal)) }
      signal.addEventListener('abort', gaveUp, { once: true })
      const heard = (): void => { signal.removeEventListener('abort', gaveUp) }
      const waiting: Waiting = {
        resolve (admission) { heard(); resolve(admission) },
        reject (error) { heard(); reject(error instanceof Error ? error : new Error(String(error))) }
      }
      const others = this.#waiting.get(id)
      if (others === undefined) this.#waiting.set(id, [waiting])
      else others.push(waiting)
      if (!this.#asking) this.#admitAll().catch((err: unknown) => { this.#log.error({ err }, 'admitting failed') })
    })
  }

  async #admitAll (): Promise<void> {
    this.#asking = true
    while (this.#waiting.size > 0) {
      const round = this.#waiting
      this.#waiting = new Map()
      try {
        this.#answer(round, await admitRound(this.#database, [...round.keys()], this.#enrolment, this.#budget))
        for (const left of round.values()) for (const { reject } of left) reject(new Error('the registry gave no answer for a device'))
      } catch (error) {
        for (const all of round.values()) for (const { reject } of all) reject(error)
      }
    }
    this.#asking = false
  }

  /** Answers those of `round` that have an answer, and takes them out. */
  #answer (round: Map<string, Waiting[]>, { admitted, limited, tell }: Round): void {
    for (const admission of admitted) {
      const { id, state, firstSeen } = admission
      if (firstSeen) {
        this.#log.info({ device: id, state }, 'device registered')
        this.#audit.record(registered({ id, role: 'device' }, { id }, state))
      }
      for (const { resolve } of round.get(id) ?? []) resolve(admission)
      round.delete(id)
    }
    for (const id of limited) {
      for (const { reject } of round.get(id) ?? []) reject(new PulsegateError('REGISTRATION_LIMITED', `device ${id} is not registered: too many unknown devices came in this minute`))
      round.delete(id)
    }
    if (tell === 0) return
    this.#log.warn({ refused: tell }, 'unknown devices were not registered: too many came in a minute')
    this.#audit.record(registrationsRefused(tell))
  }

  async register (devices: readonly NewDevice[]): Promise<number> {
    const { rows } = await this.#database.query<{ id: string, state: DeviceState }>(`
      INSERT INTO device (id, kind, model, state)
      SELECT id, kind, model, coalesce(state, $5) FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[]) AS d (id, kind, model, state)
      WHERE NOT EXISTS (SELECT FROM device WHERE device.id = d.id) ORDER BY id
      ON CONFLICT (id) DO NOTHING RETURNING id, state`,
    [devices.map(({ id }) => id), devices.map(({ kind }) => kind ?? null), devices.map(({ model }) => model ?? null),
      devices.map(({ state }) => state ?? null), this.#enrolment])
    for (const { id, state } of rows) this.#audit.record(registered(registryAgent, { id }, state))
    return rows.length
  }

  async pair (gateway: string, sensor: string, fromMs: number = Date.now()): Promise<void> {
    const { events } = await this.#database.transaction(async (client) =>
      pairSensor(client, { gateway, sensor, fromMs }, (await lockDevices(client, [sensor])).get(sensor), registryAgent))
    for (const event of events) this.#audit.record(event)
  }

  async setState (id: string, state: DeviceState): Promise<void> {
    const event = await this.#database.transaction(async (client) => {
      const device = (await lockDevices(client, [id])).get(id)
      if (device === undefined) throw unknownDevice(id)
      if (device.state === state) return null
      await client.query('UPDATE device SET state = $2 WHERE key = $1', [device.key, state])
      return stateChanged(registryAgent, device, { from: device.state, to: state, forced: true })
    })
    if (event !== null) this.#audit.record(event)
  }
}

function abortReason ({ reason }: AbortSignal): Error {
  return reason instanceof Error ? reason : new Error('the admission was given up')
}

/** The registry in `database`. `enrolment` decides the state of devices that come for the first time. */
export function createRegistry (database: Database, settings: RegistrySettings, observability: Observability): DeviceRegistry {
  return new DatabaseRegistry(database, settings, observability)
}
