// Pairings: which gateway may publish for which sensor, and when. Each function works inside the caller's transaction, on a sensor whose
// row is locked, and gives the events of what it changed, none when all was so already. Periods are [from, to); that they never
// overlap is the database's own rule (pairing_overlap), which also stops whoever goes round this file.
import { type ClientBase } from 'pg'
import { type AuditAgent } from '../runtime/audit.ts'
import { PulsegateError } from '../runtime/errors.ts'
import { type DeviceState } from '../schemas/device.ts'
import { type DeviceEvent, paired, registered, unpaired } from './registry-events.ts'
import { type LockedDevice, lockDevices, unknownDevice } from './registry-lock.ts'
import { sqlStateOf } from './sqlstate.ts'

export interface PairRequest {
  readonly gateway: string
  readonly sensor: string
  /** ms since 1970 UTC. */
  readonly fromMs: number
}

/**
 * From `fromMs` on the sensor speaks through the gateway; a pairing with another one ends then. A sensor that is not registered becomes
 * so, as active: it never connects itself, so whoever pairs it vouches for it. Errors: DEVICE_UNKNOWN, PAIRING_REFUSED.
 */
export async function pairSensor (client: ClientBase, { gateway, sensor, fromMs }: PairRequest, locked: LockedDevice | undefined, agent: AuditAgent): Promise<DeviceEvent[]> {
  if (gateway === sensor) throw refused(sensor, 'a device is not paired with itself')
  const { rows: [speaker] } = await client.query<{ key: number, state: DeviceState }>('SELECT key, state FROM device WHERE id = $1', [gateway])
  if (speaker === undefined) throw unknownDevice(gateway)
  const events: DeviceEvent[] = []
  const device = locked ?? await registerSensor(client, sensor, agent, events)
  for (const [id, state] of [[gateway, speaker.state], [sensor, device.state]]) if (state === 'retired') throw refused(sensor, `device ${id} is retired`)
  const from = new Date(fromMs)
  const same = await client.query('SELECT FROM pairing WHERE gateway = $1 AND sensor = $2 AND period @> $3::timestamptz AND upper_inf(period)', [speaker.key, device.key, from])
  if (same.rowCount !== 0) return events
  const { rows: [ended] } = await client.query<{ id: string }>(`
    UPDATE pairing SET period = tstzrange(lower(period), $2) FROM device
    WHERE sensor = $1 AND period @> $2::timestamptz AND lower(period) IS DISTINCT FROM $2 AND device.key = pairing.gateway RETURNING device.id`, [device.key, from])
  try {
    await client.query('INSERT INTO pairing (gateway, sensor, period) VALUES ($1, $2, tstzrange($3, NULL))', [speaker.key, device.key, from])
  } catch (error) {
    if (sqlStateOf(error) !== '23P01') throw error // exclusion_violation
    throw refused(sensor, `another pairing of it begins at ${from.toISOString()} or later`)
  }
  return [...events, paired(agent, device, { gateway, fromMs, instead: ended?.id ?? null })]
}

/** The pairing that holds at `atMs` ends then; one that begins at that very time is taken back. Error PAIRING_REFUSED: there is none. */
export async function unpairSensor (client: ClientBase, atMs: number, device: LockedDevice, agent: AuditAgent): Promise<DeviceEvent[]> {
  const at = new Date(atMs)
  const { rows: [held] } = await client.query<{ gateway: string, begins: boolean }>(`
    SELECT d.id AS gateway, lower(p.period) IS NOT DISTINCT FROM $2::timestamptz AS begins
    FROM pairing p JOIN device d ON d.key = p.gateway WHERE p.sensor = $1 AND p.period @> $2::timestamptz`, [device.key, at])
  if (held === undefined) throw refused(device.id, `it is not paired with any gateway at ${at.toISOString()}`)
  await client.query(held.begins
    ? 'DELETE FROM pairing WHERE sensor = $1 AND period @> $2::timestamptz'
    : 'UPDATE pairing SET period = tstzrange(lower(period), $2) WHERE sensor = $1 AND period @> $2::timestamptz', [device.key, at])
  return [unpaired(agent, device, { gateway: held.gateway, atMs })]
}

async function registerSensor (client: ClientBase, id: string, agent: AuditAgent, events: DeviceEvent[]): Promise<LockedDevice> {
  const { rowCount } = await client.query("INSERT INTO device (id, state) VALUES ($1, 'active') ON CONFLICT (id) DO NOTHING", [id])
  const device = (await lockDevices(client, [id])).get(id)
  if (device === undefined) throw unknownDevice(id)
  if (rowCount === 1) events.push(registered(agent, device, device.state))
  return device
}

function refused (sensor: string, why: string): PulsegateError {
  return new PulsegateError('PAIRING_REFUSED', `the pairing of sensor ${sensor} is not changed: ${why}`)
}
