// Devices at the door, a round of them at a time: the state of those that are known, and those that are not become so, as many as
// may. Takes ids, gives an admission for each or the ids that were over the bound. A known device is never refused here.
import { type Admission, type DeviceState } from '../schemas/device.ts'
import { type Database } from './database.ts'
import { type RegistrationBudget } from './registry-budget.ts'

// Locked in the order of keys, as births and last-seen times are written: two that hold several rows cannot wait for each other.
// Not INSERT … ON CONFLICT for all: it would use up a key at every connect, and keys are int4.
const admitKnown = `WITH known AS MATERIALIZED (SELECT key FROM device WHERE id = ANY($1::uuid[]) ORDER BY key FOR NO KEY UPDATE)
  UPDATE device SET last_seen = now() FROM known WHERE device.key = known.key RETURNING device.id, device.state, false AS "firstSeen"`

const registerUnknown = `INSERT INTO device (id, state) SELECT unnest($1::uuid[]), $2 ORDER BY 1
  ON CONFLICT (id) DO NOTHING RETURNING id, state, true AS "firstSeen"`

export interface Round {
  readonly admitted: readonly Admission[]
  /** Unknown, and not registered: too many came in this minute. */
  readonly limited: readonly string[]
  /** How many such refusals are to be written down now. */
  readonly tell: number
}

export async function admitRound (database: Database, ids: readonly string[], enrolment: DeviceState, budget: RegistrationBudget): Promise<Round> {
  const { rows: known } = await database.query<Admission>(admitKnown, [ids])
  const unknown = without(ids, known)
  if (unknown.length === 0) return { admitted: known, limited: [], tell: 0 }
  const { granted, tell } = budget.take(unknown.length)
  const welcome = unknown.slice(0, granted)
  const { rows: registered } = granted === 0 ? { rows: [] } : await database.query<Admission>(registerUnknown, [welcome, enrolment])
  const raced = without(welcome, registered)
  // another broker has registered them in this very moment
  const { rows: others } = raced.length === 0 ? { rows: [] } : await database.query<Admission>(admitKnown, [raced])
  return { admitted: [...known, ...registered, ...others], limited: unknown.slice(granted), tell }
}

function without (ids: readonly string[], admitted: readonly Admission[]): string[] {
  const found = new Set(admitted.map(({ id }) => id))
  return ids.filter((id) => !found.has(id))
}
