// Erases what a device or a subject left behind: samples, waves, rollups, payloads in quarantine, keys of exports, and the subject's name
// in its assignments. In small transactions, each of which says how far it is, so that a crash at any moment is made good by asking again.
// Runs as the owner. Receipts stay: they hold no value, and keep what is sent again from being stored again.
import { setTimeout as delay } from 'node:timers/promises'
import { retry } from '../runtime/retry.ts'
import { type Database } from './database.ts'
import { type Erasure, type ErasePart } from './erase-plan.ts'
import { eraseExports } from './erase-exports.ts'
import { eraseQuarantine, type OpenPayload } from './erase-quarantine.ts'
import { eraseSubject } from './erase-subject.ts'
import { classify } from './sqlstate.ts'

/** Rows removed, by what they were. */
export interface Removed {
  samples: number
  waves: number
  rollups: number
  /** Messages in quarantine that lost their bytes. */
  quarantined: number
  /** Exports whose key was destroyed. */
  exports: number
  /** Assignments that name a tombstone now. */
  assignments: number
}

export interface EraseProgress {
  readonly removed: Readonly<Removed>
  /** Part at hand, from 1, and how many there are. */
  readonly part: number
  readonly parts: number
  /** Up to when it is gone; null: not begun. */
  readonly doneTo: Date | null
}

export interface EraseOptions {
  readonly onProgress?: (progress: EraseProgress) => void
  /** A stop takes effect between two steps. */
  readonly signal?: AbortSignal
  /** How to read a sealed payload, to learn its time; default: it cannot be. */
  readonly open?: OpenPayload
  /** How long a worker may go on by what it knew before (lookup.ts); default 2,500 ms. */
  readonly settleMs?: number
}

type Slice = Pick<Removed, 'samples' | 'waves' | 'rollups'>

const hourMs = 3_600_000
const patienceMs = 60_000

export interface Erased {
  /** What this run removed. */
  readonly removed: Removed
  /** Messages in quarantine that may be of the erased time and could not be opened; not zero: it is not done, and the same call goes on. */
  readonly unopened: number
}

/** Rejects with the signal's reason when it aborts; the same call goes on where it was. */
export async function runErasure (database: Database, erasure: Erasure, options: EraseOptions = {}): Promise<Erased> {
  const { signal, settleMs = 2_500, open } = options
  const removed: Removed = { samples: 0, waves: 0, rollups: 0, quarantined: 0, exports: 0, assignments: 0 }
  const patiently = <T>(step: () => Promise<T>): Promise<T> => patience(step, signal)
  const begunMs = performance.now()
  for (const [index, part] of erasure.parts.entries()) {
    await erasePart(database, erasure, part, removed, (doneTo) => {
      signal?.throwIfAborted()
      options.onProgress?.({ removed, part: index + 1, parts: erasure.parts.length, doneTo })
    }, patiently)
  }
  // what a worker was just writing by what it knew before is in by now: once more, from the beginning. A continuation waits too: it may
  // have been begun a moment ago
  const waitMs = begunMs + settleMs - performance.now()
  if (waitMs > 0 && erasure.parts.length > 0) await delay(waitMs, undefined, signal && { signal })
  for (const part of erasure.parts) {
    await patiently(() => database.query("UPDATE erasure_part SET done_to = '-infinity' WHERE erasure = $1 AND device = $2", [erasure.id, part.key]))
    await erasePart(database, erasure, part, removed, () => { signal?.throwIfAborted() }, patiently)
  }
  const { erased, unopened } = await eraseQuarantine(database, erasure, { patiently, ...(open && { open }), ...(signal && { signal }) })
  removed.quarantined += erased
  removed.exports += await patiently(() => eraseExports(database, erasure))
  removed.assignments += await patiently(() => eraseSubject(database, erasure))
  await rollUp(database, patiently)
  await patiently(() => finish(database, erasure, removed, unopened === 0))
  return { removed, unopened }
}

/** What reaches in from before, then hour by hour of those in which there is anything. */
async function erasePart (database: Database, erasure: Erasure, part: ErasePart, removed: Removed, tell: (doneTo: Date | null) => void, patiently: <T>(step: () => Promise<T>) => Promise<T>): Promise<void> {
  await patiently(() => cutEdge(database, part))
  for (;;) {
    tell(null)
    const next = await patiently(() => nextTime(database, erasure, part))
    if (next === null) return
    const hour = Math.floor(next.getTime() / hourMs) * hourMs
    const from = new Date(Math.max(hour, part.from?.getTime() ?? -Infinity))
    const to = new Date(Math.min(hour + hourMs, part.to.getTime()))
    const slice = await patiently(() => eraseSlice(database, erasure, part, from, to))
    removed.samples += slice.samples
    removed.waves += slice.waves
    removed.rollups += slice.rollups
    tell(to)
  }
}

async function nextTime (database: Database, { id }: Erasure, { key, from, to }: ErasePart): Promise<Date | null> {
  const { rows: [row] } = await database.query<{ next: Date | null }>(`
    SELECT erase_next($2, greatest(p.done_to, lower(p.period)), upper(p.period)) AS next FROM erasure_part p
    WHERE p.erasure = $1 AND p.device = $2 AND p.period = tstzrange($3, $4)`, [id, key, from, to])
  return row?.next ?? null
}

/** One transaction: the rows, and that they are gone. */
async function eraseSlice (database: Database, { id }: Erasure, { key, from, to }: ErasePart, sliceFrom: Date, sliceTo: Date): Promise<Slice> {
  return database.transaction(async (client) => {
    const { rows: [row] } = await client.query<Record<keyof Slice, string>>('SELECT samples, waves, rollups FROM erase_slice($1, $2, $3)', [key, sliceFrom, sliceTo])
    const slice = { samples: Number(row?.samples), waves: Number(row?.waves), rollups: Number(row?.rollups) }
    await client.query('UPDATE erasure_part SET done_to = $5 WHERE erasure = $1 AND device = $2 AND period = tstzrange($3, $4)', [id, key, from, to, sliceTo])
    await note(client, id, slice)
    return slice
  })
}

async function cutEdge (database: Database, { key, from, to }: ErasePart): Promise<void> {
  await database.query("SELECT erase_edges($1, coalesce($2::timestamptz, '-infinity'), $3::timestamptz)", [key, from, to])
}

/** Adds to what the erasure has removed. */
async function note (client: { query (text: string, values: unknown[]): Promise<unknown> }, erasure: number, removed: Partial<Removed>): Promise<void> {
  await client.query(`
    UPDATE erasure SET removed = removed || (
      SELECT jsonb_object_agg(key, coalesce((removed ->> key)::int8, 0) + value::int8) FROM jsonb_each_text($2::jsonb) AS added)
    WHERE id = $1`, [erasure, JSON.stringify(removed)])
}

/** The rollups of what remains of the edges; a worker would do it too, a little later. */
async function rollUp (database: Database, patiently: <T>(step: () => Promise<T>) => Promise<T>): Promise<void> {
  for (let round = 0; round < 1_000; round++) {
    const { rows: [row] } = await patiently(() => database.query<{ done: string | null }>('SELECT roll_up(200) AS done'))
    if (Number(row?.done ?? 0) === 0) return
  }
}

async function finish (database: Database, { id, tombstone }: Erasure, { quarantined, exports, assignments }: Removed, done: boolean): Promise<void> {
  await database.transaction(async (client) => {
    await note(client, id, { quarantined, exports, assignments })
    // the subject's own name goes last: until then it is what a continuation is found by
    if (done) await client.query('UPDATE erasure SET finished_at = now(), target = coalesce($2, target) WHERE id = $1', [id, tombstone])
  })
}

function patience<T> (step: () => Promise<T>, signal: AbortSignal = new AbortController().signal): Promise<T> {
  const until = performance.now() + patienceMs
  return retry(step, { baseMs: 100, capMs: 2_000, signal, retryable: (error) => classify(error) === 'transient' && performance.now() < until })
}
