// Whether the registry lets a device have a certificate: everybody but the retired. A suspended device is silenced, not gone: it may renew,
// or it could not come back; one that is not registered yet is what enrolment is for.
import { type DeviceState } from '../schemas/device.ts'
import { type Database } from './database.ts'

/** True, or the state that forbids it. Rejects when the database does not answer. `id`: checked device id. */
export async function mayEnrol (database: Database, id: string): Promise<true | DeviceState> {
  const { rows: [device] } = await database.query<{ state: DeviceState }>('SELECT state FROM device WHERE id = $1::uuid', [id])
  return device?.state === 'retired' ? 'retired' : true
}
