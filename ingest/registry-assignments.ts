// Assignments: which subject (a pseudonym) a device measures, and when. Like pairings (registry-pairings.ts): inside the caller's
// transaction, on a device whose row is locked; periods are [from, to) and the database refuses that they overlap.
import { type ClientBase } from 'pg'
import { type AuditAgent } from '../runtime/audit.ts'
import { PulsegateError } from '../runtime/errors.ts'
import { assigned, type DeviceEvent, unassigned } from './registry-events.ts'
import { type LockedDevice } from './registry-lock.ts'
import { sqlStateOf } from './sqlstate.ts'

export interface AssignRequest {
  readonly subject: string
  /** ms since 1970 UTC. */
  readonly fromMs: number
  /** Null: until it is ended. */
  readonly untilMs: number | null
}

/** Letters, digits and . _ : - ; a name or a birth date in plain words does not pass by accident. */
export function isSubject (text: string): boolean { return /^[A-Za-z0-9][A-Za-z0-9._:-]{0,63}$/.test(text) }

/** From `fromMs` on the device measures the subject; an assignment to another one that holds then ends. Error ASSIGNMENT_REFUSED. */
export async function assignDevice (client: ClientBase, { subject, fromMs, untilMs }: AssignRequest, device: LockedDevice, agent: AuditAgent): Promise<DeviceEvent[]> {
  if (device.state === 'retired') throw refused(device.id, 'it is retired')
  if (untilMs !== null && untilMs <= fromMs) throw refused(device.id, 'an assignment ends after it begins')
  const from = new Date(fromMs)
  const until = untilMs === null ? null : new Date(untilMs)
  const { rows: [held] } = await client.query<{ subject: string, same: boolean, begins: boolean }>(`
    SELECT subject, upper(period) IS NOT DISTINCT FROM $3::timestamptz AS same, lower(period) IS NOT DISTINCT FROM $2::timestamptz AS begins
    FROM assignment WHERE device = $1 AND period @> $2::timestamptz`, [device.key, from, until])
  if (held?.subject === subject && held.same) return []
  const ended = held !== undefined && !held.begins
  if (ended) await client.query('UPDATE assignment SET period = tstzrange(lower(period), $2) WHERE device = $1 AND period @> $2::timestamptz', [device.key, from])
  try {
    await client.query('INSERT INTO assignment (device, subject, period) VALUES ($1, $2, tstzrange($3, $4))', [device.key, subject, from, until])
  } catch (error) {
    if (sqlStateOf(error) !== '23P01') throw error // exclusion_violation
    throw refused(device.id, `another assignment of it begins at ${from.toISOString()} or later`)
  }
  return [
    ...ended ? [unassigned(agent, device, { subject: held.subject, atMs: fromMs })] : [],
    assigned(agent, device, { subject, fromMs, untilMs })
  ]
}

/** The assignment that holds at `atMs` ends then; one that begins at that very time is taken back. Error ASSIGNMENT_REFUSED: there is none. */
export async function unassignDevice (client: ClientBase, atMs: number, device: LockedDevice, agent: AuditAgent): Promise<DeviceEvent[]> {
  const at = new Date(atMs)
  const { rows: [held] } = await client.query<{ subject: string, begins: boolean }>(
    'SELECT subject, lower(period) IS NOT DISTINCT FROM $2::timestamptz AS begins FROM assignment WHERE device = $1 AND period @> $2::timestamptz', [device.key, at])
  if (held === undefined) throw refused(device.id, `it is not assigned to any subject at ${at.toISOString()}`)
  await client.query(held.begins
    ? 'DELETE FROM assignment WHERE device = $1 AND period @> $2::timestamptz'
    : 'UPDATE assignment SET period = tstzrange(lower(period), $2) WHERE device = $1 AND period @> $2::timestamptz', [device.key, at])
  return [unassigned(agent, device, { subject: held.subject, atMs })]
}

function refused (id: string, why: string): PulsegateError {
  return new PulsegateError('ASSIGNMENT_REFUSED', `the assignment of device ${id} is not changed: ${why}`)
}
