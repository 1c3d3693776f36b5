// Assignments: which subject (a pseudonym) a device measures, and when. Like pairings (registry-pairings.ts): inside the caller's
// transaction, on a device whose row is locked, for periods [from, until) of registry-periods.ts.
import { type ClientBase } from 'pg'
import { type AuditAgent } from '../runtime/audit.ts'
import { PulsegateError } from '../runtime/errors.ts'
import { assigned, unassigned } from './registry-events.ts'
import { type LockedDevice } from './registry-lock.ts'
import { type Effect, endedAs, endOrTakeBack, endPeriod, inTheWay, periodsWithin, spanWords } from './registry-periods.ts'
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

/**
 * From `fromMs` on the device measures the subject; an open assignment that holds then ends. One that was given an end is history, and is
 * not cut: error ASSIGNMENT_REFUSED.
 */
export async function assignDevice (client: ClientBase, { subject, fromMs, untilMs }: AssignRequest, device: LockedDevice, agent: AuditAgent): Promise<Effect> {
  if (device.state === 'retired') throw refused(device.id, 'it is retired')
  if (untilMs !== null && untilMs <= fromMs) throw refused(device.id, 'an assignment ends after it begins')
  const from = new Date(fromMs)
  const until = untilMs === null ? null : new Date(untilMs)
  const periods = await periodsWithin(client, 'assignment', device.key, { from, until })
  const held = periods.find(({ holds }) => holds)
  if (held?.holder === subject && held.until?.getTime() === until?.getTime()) return { events: [], period: { subject, from: held.from, until } }
  const other = inTheWay(periods)
  if (other !== undefined) throw refused(device.id, `another assignment of it holds ${spanWords(other)}`)
  if (held !== undefined) await endPeriod(client, 'assignment', device.key, from)
  try {
    await client.query('INSERT INTO assignment (device, subject, period) VALUES ($1, $2, tstzrange($3, $4))', [device.key, subject, from, until])
  } catch (error) {
    if (sqlStateOf(error) !== '23P01') throw error // exclusion_violation: somebody went round the lock
    throw refused(device.id, 'another assignment of it was made in this moment')
  }
  return {
    events: [
      ...held === undefined ? [] : [unassigned(agent, device, held, fromMs)],
      assigned(agent, device, { subject, fromMs, untilMs })
    ],
    period: { subject, from, until },
    ...(held && endedAs(held, { subject: held.holder }, from))
  }
}

/** The assignment that holds at `atMs` ends then, also one that was to end later; one that begins at that very time is taken back. Error ASSIGNMENT_REFUSED: there is none. */
export async function unassignDevice (client: ClientBase, atMs: number, device: LockedDevice, agent: AuditAgent): Promise<Effect> {
  const at = new Date(atMs)
  const held = await endOrTakeBack(client, 'assignment', device.key, at)
  if (held === undefined) throw refused(device.id, `it is not assigned to any subject at ${at.toISOString()}`)
  return { events: [unassigned(agent, device, held, atMs)], ...endedAs(held, { subject: held.holder }, at) }
}

function refused (id: string, why: string): PulsegateError {
  return new PulsegateError('ASSIGNMENT_REFUSED', `the assignment of device ${id} is not changed: ${why}`)
}
