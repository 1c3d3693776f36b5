// The registry of devices: who is known, in which state, paired with whom. Its `admit` is what the broker asks at every
// CONNECT; the rest serves the command line and the composing of a process. The worker sees a change within a second (lookup.ts).
//
// Admissions that come at the same time share one statement: a thousand devices that come back after a power cut cost a
// handful of commits, not a thousand.
import { type Admission, type DeviceState } from '../schemas/device.ts'
import { PulsegateError } from '../runtime/errors.ts'
import { type Observability } from '../runtime/observability.ts'
import { type Database } from './database.ts'
import { sqlStateOf } from './sqlstate.ts'

export interface RegistrySettings {
  /** The state in which an unknown device with a good certificate is registered. */
  readonly enrolment: 'active' | 'pending'
}

export interface DeviceRow {
  readonly id: string
  readonly kind: string | null
  readonly model: string | null
  readonly serial: string | null
  readonly firmware: string | null
  readonly state: DeviceState
  readonly firstSeen: Date
  readonly lastSeen: Date
}

/** What is known of a device before it first connects. */
export interface NewDevice { readonly id: string, readonly kind?: string, readonly model?: string, readonly state?: DeviceState }

export interface DeviceRegistry {
  /** The state of `id`, registered first if it is unknown. Rejects with the database's error, or when `signal` aborts. */
  admit (id: string, signal: AbortSignal): Promise<Admission>
  /** Registers those that are not known yet; leaves the others as they are. Gives how many were new. */
  register (devices: readonly NewDevice[]): Promise<number>
  /**
   * From `fromMs` on the sensor speaks through `gateway`; an open pairing with another gateway ends then. The gateway must be
   * registered; a sensor that is not becomes so, as active.
   */
  pair (gateway: string, sensor: string, fromMs?: number): Promise<void>
  setState (id: string, state: DeviceState): Promise<void>
  /** All devices, by id. */
  list (): Promise<DeviceRow[]>
}

interface Waiting { readonly resolve: (admission: Admission) => void, readonly reject: (error: unknown) => void }

class DatabaseRegistry implements DeviceRegistry {
  readonly #database: Database
  readonly #enrolment: DeviceState
  readonly #log: Observability['log']
  #waiting = new Map<string, Waiting[]>()
  #asking = false

  constructor (database: Database, { enrolment }: RegistrySettings, { log }: Observability) {
    this.#database = database
    this.#enrolment = enrolment
    this.#log = log.child({ part: 'registry' })
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
        const { rows } = await this.#database.query<Admission>(admitDevices, [[...round.keys()], this.#enrolment])
        for (const admission of rows) {
          if (admission.firstSeen) this.#log.info({ device: admission.id, state: admission.state }, 'device registered')
          for (const { resolve } of round.get(admission.id) ?? []) resolve(admission)
          round.delete(admission.id)
        }
        for (const left of round.values()) for (const { reject } of left) reject(new Error('the registry gave no answer for a device'))
      } catch (error) {
        for (const all of round.values()) for (const { reject } of all) reject(error)
      }
    }
    this.#asking = false
  }

  async register (devices: readonly NewDevice[]): Promise<number> {
    const { rowCount } = await this.#database.query(`
      INSERT INTO device (id, kind, model, state)
      SELECT id, kind, model, coalesce(state, $5) FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[]) AS d (id, kind, model, state)
      ON CONFLICT (id) DO NOTHING`,
    [devices.map(({ id }) => id), devices.map(({ kind }) => kind ?? null), devices.map(({ model }) => model ?? null),
      devices.map(({ state }) => state ?? null), this.#enrolment])
    return rowCount ?? 0
  }

  async pair (gateway: string, sensor: string, fromMs: number = Date.now()): Promise<void> {
    const from = new Date(fromMs)
    try {
      await this.#database.transaction(async (client) => {
        // a relayed sensor never connects, so it cannot register itself: whoever pairs it vouches for it
        await client.query("INSERT INTO device (id, state) SELECT $2::uuid, 'active' WHERE EXISTS (SELECT FROM device WHERE id = $1::uuid) ON CONFLICT (id) DO NOTHING", [gateway, sensor])
        const { rows } = await client.query<{ id: string, key: number }>('SELECT id, key FROM device WHERE id = ANY($1::uuid[])', [[gateway, sensor]])
        const keyOf = (id: string): number => {
          const row = rows.find((device) => device.id === id)
          if (row === undefined) throw new PulsegateError('DEVICE_UNKNOWN', `device ${id} is not registered: it registers when it first connects, or with its certificate`)
          return row.key
        }
        const keys = [keyOf(gateway), keyOf(sensor)]
        const { rowCount } = await client.query('SELECT FROM pairing WHERE gateway = $1 AND sensor = $2 AND period @> $3::timestamptz AND upper_inf(period)', [...keys, from])
        if (rowCount !== 0) return
        await client.query('UPDATE pairing SET period = tstzrange(lower(period), $2) WHERE sensor = $1 AND period @> $2::timestamptz AND lower(period) < $2', [keys[1], from])
        await client.query('INSERT INTO pairing (gateway, sensor, period) VALUES ($1, $2, tstzrange($3, NULL))', [...keys, from])
      })
    } catch (error) {
      // exclusion_violation, check_violation
      if (sqlStateOf(error) !== '23P01' && sqlStateOf(error) !== '23514') throw error
      throw new PulsegateError('PAIRING_REFUSED', `sensor ${sensor} cannot be paired with ${gateway} from ${from.toISOString()}: ${gateway === sensor ? 'they are the same device' : 'another pairing of the sensor lies in that time'}`, { cause: error })
    }
  }

  async setState (id: string, state: DeviceState): Promise<void> {
    const { rowCount } = await this.#database.query('UPDATE device SET state = $2 WHERE id = $1', [id, state])
    if (rowCount === 0) throw new PulsegateError('DEVICE_UNKNOWN', `device ${id} is not registered`)
  }

  async list (): Promise<DeviceRow[]> {
    const { rows } = await this.#database.query<DeviceRow>(`
      SELECT id, kind, model, serial, firmware, state, first_seen AS "firstSeen", last_seen AS "lastSeen" FROM device ORDER BY id`)
    return rows
  }
}

// both default to now(): equal in a row that this statement inserted, not in one it updated
const admitDevices = `INSERT INTO device (id, state) SELECT unnest($1::uuid[]), $2 ORDER BY 1
  ON CONFLICT (id) DO UPDATE SET last_seen = now() RETURNING id, state, first_seen = last_seen AS "firstSeen"`

function abortReason ({ reason }: AbortSignal): Error {
  return reason instanceof Error ? reason : new Error('the admission was given up')
}

/** The registry in `database`. `enrolment` decides the state of devices that come for the first time. */
export function createRegistry (database: Database, settings: RegistrySettings, observability: Observability): DeviceRegistry {
  return new DatabaseRegistry(database, settings, observability)
}
