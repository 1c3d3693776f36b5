// What an erasure is about: the devices and times it names, and where it stands. Begins one or goes on with the one that was asked for
// in the same words. From the moment `beginErasure` has committed, the worker stores nothing more of these times.
import { randomUUID } from 'node:crypto'
import { PulsegateError } from '../runtime/errors.ts'
import { type Client, type Database, type Rows } from './database.ts'
import { erasureLock } from './quarantine-erased.ts'

export type EraseTarget = { readonly kind: 'device', readonly id: string } | { readonly kind: 'subject', readonly id: string }

export interface EraseRequest {
  readonly target: EraseTarget
  /** ms since 1970; absent: since ever. */
  readonly fromMs?: number
  /** Absent: until now. */
  readonly toMs?: number
}

/** A device and a half-open time of it; null: since ever. */
export interface ErasePart {
  readonly key: number
  readonly device: string
  readonly from: Date | null
  readonly to: Date
}

export interface Erasure {
  readonly id: number
  readonly target: EraseTarget
  /** What stands in the subject's place afterwards; null of a device. */
  readonly tombstone: string | null
  readonly requestedAt: Date
  /** It was begun earlier, and goes on. */
  readonly resumed: boolean
  readonly parts: readonly ErasePart[]
  /** As asked for; null: since ever, and until the request. */
  readonly asked: Asked
}

interface Asks { query<R extends object> (text: string, values: unknown[]): Promise<Pick<Rows<R>, 'rows' | 'rowCount'>> }

export interface Asked { readonly from: Date | null, readonly to: Date | null }

/** What `request` would be about, as things are now. Errors: DEVICE_UNKNOWN, SUBJECT_UNKNOWN, ERASURE_TIME. */
export async function partsOf (database: Asks, { target, ...times }: EraseRequest): Promise<ErasePart[]> {
  const { from, to } = askedOf(times)
  const values = [target.id, from, to]
  // until the request, if nothing else is said: a device that goes on measuring is not switched off by this
  const { rows } = target.kind === 'device'
    ? await database.query<ErasePart>(`
        SELECT key, id AS device, $2::timestamptz AS from, least($3::timestamptz, date_trunc('milliseconds', now())) AS to FROM device WHERE id = $1`, values)
    : await database.query<ErasePart>(`
        SELECT key, device, nullif(lower(period), '-infinity') AS from, upper(period) AS to FROM (
          SELECT d.key, d.id AS device, a.period * tstzrange($2::timestamptz, least($3::timestamptz, date_trunc('milliseconds', now()))) AS period
          FROM assignment a JOIN device d ON d.key = a.device WHERE a.subject = $1
        ) AS part WHERE NOT isempty(period) ORDER BY device, period`, values)
  if (rows.length > 0) return rows
  if (target.kind === 'device') {
    const { rowCount } = await database.query('SELECT FROM quarantine WHERE coalesce(source, publisher) = $1 LIMIT 1', [target.id])
    if (rowCount === 0) throw new PulsegateError('DEVICE_UNKNOWN', `device ${target.id} is not registered, and nothing of it is in quarantine`)
    return []
  }
  // one that is not done yet may have given its assignments their tombstone already
  const { rowCount } = await database.query(`SELECT FROM assignment WHERE subject = $1 UNION ALL SELECT FROM export WHERE subjects @> ARRAY[$1]
    UNION ALL SELECT FROM erasure WHERE kind = 'subject' AND target = $1 LIMIT 1`, [target.id])
  if (rowCount === 0) throw new PulsegateError('SUBJECT_UNKNOWN', 'no device was ever assigned to this subject, and no export names it')
  return []
}

/** `before` runs in the transaction that begins it; a rejection undoes it. */
export async function beginErasure (database: Database, request: EraseRequest, by: { readonly agent: string, readonly purpose?: string }, before: (erasure: Erasure) => Promise<void>): Promise<Erasure> {
  const { target } = request
  const { from, to } = askedOf(request)
  return database.transaction(async (client) => {
    const { rows: [open] } = await client.query<{ id: string, tombstone: string | null, requested_at: Date }>(`
      SELECT id, tombstone, requested_at FROM erasure WHERE kind = $1 AND target = $2 AND finished_at IS NULL
        AND asked_from IS NOT DISTINCT FROM $3 AND asked_to IS NOT DISTINCT FROM $4 FOR UPDATE`, [target.kind, target.id, from, to])
    if (open !== undefined) {
      const erasure = { id: Number(open.id), target, tombstone: open.tombstone, requestedAt: open.requested_at, resumed: true, parts: await storedParts(client, open.id), asked: { from, to } }
      await before(erasure)
      return erasure
    }
    // registered, so that its erased times are kept with it; what it may, somebody has to say
    if (target.kind === 'device' && (await partsOf(client, request)).length === 0) await client.query("INSERT INTO device (id, state) VALUES ($1, 'pending') ON CONFLICT (id) DO NOTHING", [target.id])
    const parts = await partsOf(client, request)
    const tombstone = target.kind === 'subject' ? `erased-${randomUUID()}` : null
    const { rows: [made] } = await client.query<{ id: string, requested_at: Date }>(`
      INSERT INTO erasure (kind, target, tombstone, asked_from, asked_to, requested_by, purpose) VALUES ($1, $2, $3, $4, $5, $6, $7)
      RETURNING id, requested_at`, [target.kind, target.id, tombstone, from, to, by.agent, by.purpose ?? null])
    if (made === undefined) throw new Error('the erasure was not written')
    for (const { key, from: since, to: until } of parts) {
      await client.query('INSERT INTO erasure_part (erasure, device, period) VALUES ($1, $2, tstzrange($3, $4))', [made.id, key, since, until])
      await client.query("UPDATE device SET erased = coalesce(erased, '{}') + tstzmultirange(tstzrange($2, $3)) WHERE key = $1", [key, since, until])
    }
    // what is on its way to quarantine now is there before the look through it; what comes after knows of this
    await client.query('SELECT pg_advisory_xact_lock($1)', [erasureLock])
    const erasure = { id: Number(made.id), target, tombstone, requestedAt: made.requested_at, resumed: false, parts, asked: { from, to } }
    await before(erasure)
    return erasure
  })
}

async function storedParts (client: Client, erasure: string): Promise<ErasePart[]> {
  const { rows } = await client.query<ErasePart>(`
    SELECT d.key, d.id AS device, lower(p.period) AS from, upper(p.period) AS to
    FROM erasure_part p JOIN device d ON d.key = p.device WHERE p.erasure = $1 ORDER BY d.id, p.period`, [erasure])
  return rows
}

function askedOf ({ fromMs, toMs }: Pick<EraseRequest, 'fromMs' | 'toMs'>): Asked {
  if (fromMs !== undefined && fromMs >= Math.min(toMs ?? Infinity, Date.now())) {
    throw new PulsegateError('ERASURE_TIME', 'the time to erase is empty: --from must be before --to, and before now')
  }
  return { from: fromMs === undefined ? null : new Date(fromMs), to: toMs === undefined ? null : new Date(toMs) }
}
