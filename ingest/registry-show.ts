// One device with all that the registry knows of it: history of states, pairings on both sides, assignments, boots.
import { type DeviceState } from '../schemas/device.ts'
import { type Database } from './database.ts'
import { type DeviceRow } from './registry-list.ts'
import { unknownDevice } from './registry-lock.ts'

/** [from, until); null: from ever, or still. */
export interface Span { readonly from: Date | null, readonly until: Date | null }

export interface DeviceDetail extends DeviceRow {
  /** Oldest first; the last one is open. */
  readonly states: ReadonlyArray<Span & { readonly state: DeviceState }>
  /** Newest first, as the others. */
  readonly gateways: ReadonlyArray<Span & { readonly device: string }>
  readonly sensors: ReadonlyArray<Span & { readonly device: string }>
  readonly assignments: ReadonlyArray<Span & { readonly subject: string }>
  /** The last ones, newest first. `began`: as first computed from its tick; `boot` is a uint64, so text. */
  readonly boots: ReadonlyArray<{ readonly boot: string, readonly began: Date, readonly firstSeen: Date }>
}

// of anything that may grow without end
const most = 50

/** Resolves when the device is registered. Error DEVICE_UNKNOWN. */
export async function refuseUnknown (database: Database, id: string): Promise<void> {
  const { rowCount } = await database.query('SELECT FROM device WHERE id = $1', [id])
  if (rowCount === 0) throw unknownDevice(id)
}

/** Error DEVICE_UNKNOWN. */
export async function showDevice (database: Database, id: string): Promise<DeviceDetail> {
  const { rows: [device] } = await database.query<DeviceRow & { key: number }>(`
    SELECT key, id, kind, model, serial, firmware, state, tenant, first_seen AS "firstSeen", last_seen AS "lastSeen" FROM device WHERE id = $1`, [id])
  if (device === undefined) throw unknownDevice(id)
  const { key, ...row } = device
  const about = async <R extends object> (text: string): Promise<R[]> => (await database.query<R & Record<string, unknown>>(text, [key])).rows
  const span = 'nullif(lower(period), \'-infinity\') AS from, nullif(upper(period), \'infinity\') AS until'
  return {
    ...row,
    states: (await about<DeviceDetail['states'][number]>(`SELECT state, ${span} FROM device_state_history WHERE device = $1 ORDER BY period DESC LIMIT ${most}`)).reverse(),
    gateways: await about(`SELECT d.id AS device, ${span} FROM pairing JOIN device d ON d.key = gateway WHERE sensor = $1 ORDER BY period DESC LIMIT ${most}`),
    sensors: await about(`SELECT d.id AS device, ${span} FROM pairing JOIN device d ON d.key = sensor WHERE gateway = $1 ORDER BY period DESC LIMIT ${most}`),
    assignments: await about(`SELECT subject, ${span} FROM assignment WHERE device = $1 ORDER BY period DESC LIMIT ${most}`),
    boots: await about('SELECT boot::text, anchor AS began, first_seen AS "firstSeen" FROM device_boot WHERE device = $1 ORDER BY first_seen DESC, key DESC LIMIT 10')
  }
}
