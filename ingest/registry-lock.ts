// Devices that are about to be changed, locked until the transaction ends: two sessions that change one device take turns, and
// whoever comes second sees what the first has done.
import { type ClientBase } from 'pg'
import { PulsegateError } from '../runtime/errors.ts'
import { type DeviceState } from '../schemas/device.ts'

export interface LockedDevice {
  readonly key: number
  readonly id: string
  readonly state: DeviceState
  readonly tenant: string | null
}

/** Those of `ids` that are registered, by id. In the order of keys, as everybody locks them. */
export async function lockDevices (client: ClientBase, ids: readonly string[]): Promise<Map<string, LockedDevice>> {
  const { rows } = await client.query<LockedDevice>('SELECT key, id, state, tenant FROM device WHERE id = ANY($1::uuid[]) ORDER BY key FOR NO KEY UPDATE', [ids])
  return new Map(rows.map((device) => [device.id, device]))
}

/** Error DEVICE_UNKNOWN. */
export function unknownDevice (id: string): PulsegateError {
  return new PulsegateError('DEVICE_UNKNOWN', `device ${id} is not registered: it registers when it first connects, or with its certificate`)
}
