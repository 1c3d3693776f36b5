// The registry page by page, and one device with all that is known of it. Reads only; made for a hundred thousand devices.
import { type DeviceState } from '../schemas/device.ts'
import { type Database } from './database.ts'

export interface DeviceRow {
  readonly id: string
  readonly kind: string | null
  readonly model: string | null
  readonly serial: string | null
  readonly firmware: string | null
  readonly state: DeviceState
  readonly tenant: string | null
  readonly firstSeen: Date
  readonly lastSeen: Date
}

export interface DeviceFilter {
  readonly state?: DeviceState
  readonly kind?: string
  readonly tenant?: string
  /** A part of the id, model, serial number or firmware, upper and lower case alike. */
  readonly search?: string
  /** Devices with a greater id: the last one of the page before. */
  readonly after?: string
  readonly limit: number
}

const columns = 'id, kind, model, serial, firmware, state, tenant, first_seen AS "firstSeen", last_seen AS "lastSeen"'

/** By id. */
export async function listDevices (database: Database, { state, kind, tenant, search, after, limit }: DeviceFilter): Promise<DeviceRow[]> {
  const values: unknown[] = []
  const conditions: string[] = []
  const add = (condition: (parameter: string) => string, value: unknown): void => {
    if (value !== undefined) conditions.push(condition(`$${values.push(value)}`))
  }
  add((p) => `state = ${p}`, state)
  add((p) => `kind = ${p}`, kind)
  add((p) => `tenant = ${p}`, tenant)
  add((p) => `id > ${p}::uuid`, after)
  // not LIKE: a _ or % in a serial number means itself
  add((p) => `position(lower(${p}) IN lower(concat_ws(' ', id, model, serial, firmware))) > 0`, search)
  const { rows } = await database.query<DeviceRow>(`
    SELECT ${columns} FROM device ${conditions.length > 0 ? `WHERE ${conditions.join(' AND ')}` : ''} ORDER BY id LIMIT $${values.push(limit)}`, values)
  return rows
}
