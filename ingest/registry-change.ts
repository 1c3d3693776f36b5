// Changes of the registry by a person, so that none goes unrecorded. Takes ids and what to do with each; gives what became of each.
// A page of ids is one transaction: the changes are made, their events are written to the audit trail, and only then it commits.
// Nothing is changed when the trail cannot take them. A commit that fails after that is recorded too: the same events, as failed.
import { type ClientBase } from 'pg'
import { type AuditAgent, type AuditLog } from '../runtime/audit.ts'
import { type ErrorCode, PulsegateError } from '../runtime/errors.ts'
import { type DeviceState } from '../schemas/device.ts'
import { type Database } from './database.ts'
import { type DeviceEvent, type NamedDevice, refusedChange } from './registry-events.ts'
import { type LockedDevice, lockDevices } from './registry-lock.ts'
import { type Effect } from './registry-periods.ts'
import { sqlStateOf } from './sqlstate.ts'

export interface Change {
  /** What the audit trail is told of when it is refused; of a device that is not registered only the id is known. */
  asked (agent: AuditAgent, device: NamedDevice & { readonly state?: DeviceState }): DeviceEvent
  /** Inside the transaction, the device's row locked; undefined: not registered. No events: it was so already. */
  apply (client: ClientBase, id: string, device: LockedDevice | undefined, agent: AuditAgent): Promise<Effect>
}

export type ChangeResult =
  | { readonly id: string, readonly outcome: 'changed' | 'unchanged' } & Omit<Effect, 'events'>
  | { readonly id: string, readonly outcome: 'refused', readonly code: ErrorCode, readonly message: string }

export interface ChangeContext {
  readonly database: Database
  readonly audit: AuditLog
  readonly agent: AuditAgent
  readonly purpose?: string
}

// the rows are locked while their events are written, a fraction of a second: nobody who waits for one of them gives up by then
const pageSize = 250
const attempts = 3

/** Page after page, in the order of `ids`. Rejects with AUDIT_UNAVAILABLE or the database's error; earlier pages are done then. */
export async function * changeDevices (ids: readonly string[], change: Change, context: ChangeContext): AsyncGenerator<readonly ChangeResult[]> {
  for (let start = 0; start < ids.length; start += pageSize) {
    yield await withRetries(ids.slice(start, start + pageSize), change, context)
  }
}

async function withRetries (ids: readonly string[], change: Change, context: ChangeContext): Promise<readonly ChangeResult[]> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await changePage(ids, change, context)
    } catch (error) {
      // deadlock_detected, serialization_failure: everything was rolled back
      if (attempt === attempts || !['40P01', '40001'].includes(sqlStateOf(error) ?? '')) throw error
    }
  }
}

async function changePage (ids: readonly string[], change: Change, { database, audit, agent, purpose }: ChangeContext): Promise<readonly ChangeResult[]> {
  const recorded: DeviceEvent[] = []
  const refused: DeviceEvent[] = []
  try {
    const results = await database.transaction(async (client) => {
      const devices = await lockDevices(client, ids)
      const all: ChangeResult[] = []
      const events: DeviceEvent[] = []
      for (const id of ids) {
        const done = await attemptOne(client, () => change.apply(client, id, devices.get(id), agent))
        if (done instanceof PulsegateError) {
          refused.push(refusedChange(change.asked(agent, devices.get(id) ?? { id }), done.code))
          all.push({ id, outcome: 'refused', code: done.code, message: done.message })
        } else {
          const { events: itsEvents, ...periods } = done
          events.push(...itsEvents)
          all.push({ id, outcome: itsEvents.length > 0 ? 'changed' : 'unchanged', ...periods })
        }
      }
      await recordAll(events, async (event) => {
        await audit.recordNow(withPurpose(event, purpose))
        recorded.push(event)
      })
      return all
    })
    for (const event of refused) audit.record(withPurpose(event, purpose))
    return results
  } catch (error) {
    const reason = error instanceof PulsegateError ? error.code : sqlStateOf(error) ?? 'unknown'
    for (const event of recorded) audit.record(withPurpose({ ...event, outcome: 'serious-failure', reason }, purpose))
    throw error
  }
}

/** Waits for all of them, also when one fails: which were recorded must be known before anything is undone. */
async function recordAll (events: readonly DeviceEvent[], recordOne: (event: DeviceEvent) => Promise<void>): Promise<void> {
  const settled = await Promise.allSettled(events.map(recordOne))
  const failure = settled.find(({ status }) => status === 'rejected')
  if (failure?.status === 'rejected') throw failure.reason
}

/** One device's share of the page: what is refused is undone by itself and does not harm the others. */
async function attemptOne (client: ClientBase, work: () => Promise<Effect>): Promise<Effect | PulsegateError> {
  await client.query('SAVEPOINT one')
  try {
    const effect = await work()
    await client.query('RELEASE SAVEPOINT one')
    return effect
  } catch (error) {
    if (!(error instanceof PulsegateError)) throw error
    await client.query('ROLLBACK TO SAVEPOINT one')
    return error
  }
}

function withPurpose (event: DeviceEvent, purpose: string | undefined): DeviceEvent {
  return purpose === undefined ? event : { ...event, purpose }
}
