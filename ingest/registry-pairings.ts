// Pairings: which gateway may publish for which sensor, and when. Each function works inside the caller's transaction, on a sensor whose
// row is locked, and gives what it changed (registry-periods.ts), no events when all was so already.
import { type ClientBase } from 'pg'
import { type AuditAgent } from '../runtime/audit.ts'
import { PulsegateError } from '../runtime/errors.ts'
import { type DeviceState } from '../schemas/device.ts'
import { type DeviceEvent, paired, registered, unpaired } from './registry-events.ts'
import { type LockedDevice, lockDevices, unknownDevice } from './registry-lock.ts'
import { type Effect, endedAs, endOrTakeBack, endPeriod, inTheWay, periodsWithin, spanWords } from './registry-periods.ts'
import { sqlStateOf } from './sqlstate.ts'

export interface PairRequest {
  readonly gateway: string
  readonly sensor: string
  /** ms since 1970 UTC. */
  readonly fromMs: number
}

/**
 * From `fromMs` on the sensor speaks through the gateway; an open pairing that holds then ends, one that was ended already is not cut. A
 * sensor that is not registered becomes so, as active: it never connects itself, so whoever pairs it vouches for it. Errors:
 * DEVICE_UNKNOWN, PAIRING_REFUSED.
 */
export async function pairSensor (client: ClientBase, { gateway, sensor, fromMs }: PairRequest, locked: LockedDevice | undefined, agent: AuditAgent): Promise<Effect> {
  if (gateway === sensor) throw refused(sensor, 'a device is not paired with itself')
  const { rows: [speaker] } = await client.query<{ key: number, state: DeviceState }>('SELECT key, state FROM device WHERE id = $1', [gateway])
  if (speaker === undefined) throw unknownDevice(gateway)
  const events: DeviceEvent[] = []
  const device = locked ?? await registerSensor(client, sensor, agent, events)
  for (const [id, state] of [[gateway, speaker.state], [sensor, device.state]]) if (state === 'retired') throw refused(sensor, `device ${id} is retired`)
  const from = new Date(fromMs)
  const periods = await periodsWithin(client, 'pairing', device.key, { from, until: null })
  const held = periods.find(({ holds }) => holds)
  if (held?.holder === gateway && held.until === null) return { events, period: { gateway, from: held.from, until: null } }
  const other = inTheWay(periods)
  if (other !== undefined) throw refused(sensor, `another pairing of it holds ${spanWords(other)}`)
  if (held !== undefined) await endPeriod(client, 'pairing', device.key, from)
  try {
    await client.query('INSERT INTO pairing (gateway, sensor, period) VALUES ($1, $2, tstzrange($3, NULL))', [speaker.key, device.key, from])
  } catch (error) {
    if (sqlStateOf(error) !== '23P01') throw error // exclusion_violation: somebody went round the lock
    throw refused(sensor, 'another pairing of it was made in this moment')
  }
  return {
    events: [...events, paired(agent, device, { gateway, fromMs, instead: held?.holder ?? null })],
    period: { gateway, from, until: null },
    ...(held && endedAs(held, { gateway: held.holder }, from))
  }
}

/** The pairing that holds at `atMs` ends then, also one that was to end later; one that begins at that very time is taken back. Error PAIRING_REFUSED: there is none. */
export async function unpairSensor (client: ClientBase, atMs: number, device: LockedDevice, agent: AuditAgent): Promise<Effect> {
  const at = new Date(atMs)
  const held = await endOrTakeBack(client, 'pairing', device.key, at)
  if (held === undefined) throw refused(device.id, `it is not paired with any gateway at ${at.toISOString()}`)
  return { events: [unpaired(agent, device, held, atMs)], ...endedAs(held, { gateway: held.holder }, at) }
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
