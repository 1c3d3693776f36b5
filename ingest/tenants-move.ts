// A device changes hands: one step in its tenancy periods, inside the caller's transaction. What lies before `from` keeps its tenant;
// a period that another tenant has had since is never taken from it in silence.
import { PulsegateError } from '../runtime/errors.ts'
import { type Client } from './database.ts'

export interface Move {
  /** False: it was so already. */
  readonly changed: boolean
  /** The tenant until now, null: none. */
  readonly previous: string | null
  /** When the new one begins; null: since ever. */
  readonly from: Date | null
}

interface PeriodRow { tenant: string, lower: Date | null, upper: Date | null }

/** Errors: see moveToTenant. */
export async function moveDevice (client: Client, device: string, tenant: string | null, fromMs?: number): Promise<Move> {
  const { rows: [row] } = await client.query<{ key: number, tenant: string | null, now: Date }>(
    'SELECT key, tenant, date_trunc(\'milliseconds\', now()) AS now FROM device WHERE id = $1 FOR NO KEY UPDATE', [device])
  if (row === undefined) throw new PulsegateError('DEVICE_UNKNOWN', `device ${device} is not registered`)
  const { key, tenant: previous, now } = row
  const { rows: periods } = await client.query<PeriodRow>(
    'SELECT tenant, lower(period) AS lower, upper(period) AS upper FROM tenancy WHERE device = $1 ORDER BY period', [key])
  const from = fromMs !== undefined ? new Date(fromMs) : periods.length === 0 ? null : now
  if (from !== null && from > now) throw new PulsegateError('TENANCY_REFUSED', `device ${device} cannot be moved at a time that is not yet: ${from.toISOString()}`)
  const foreign = periods.find((period) => begins(period) > at(from) && period.tenant !== tenant)
  if (foreign !== undefined) throw new PulsegateError('TENANCY_REFUSED', `device ${device} belongs to ${foreign.tenant} since ${foreign.lower?.toISOString() ?? 'ever'}: it cannot be moved from an earlier time`)

  const last = periods.at(-1)
  if (last?.tenant === tenant && last?.upper === null && begins(last) <= at(from)) return { changed: false, previous, from }
  if (tenant === null && (last === undefined || last.upper !== null)) return { changed: false, previous, from }
  await cut(client, key, from)
  if (tenant !== null) {
    // a period that ends just there and is the same tenant's goes on
    const { rowCount } = await client.query('UPDATE tenancy SET period = tstzrange(lower(period), NULL) WHERE device = $1 AND tenant = $2 AND upper(period) = $3', [key, tenant, from])
    if (rowCount === 0) await client.query('INSERT INTO tenancy (device, tenant, period) VALUES ($1, $2, tstzrange($3, NULL))', [key, tenant, from])
  }
  return { changed: true, previous, from }
}

/** Ends the period that holds `from`, takes away those that begin at it or later. */
async function cut (client: Client, key: number, from: Date | null): Promise<void> {
  await client.query("DELETE FROM tenancy WHERE device = $1 AND coalesce(lower(period), '-infinity') >= coalesce($2::timestamptz, '-infinity')", [key, from])
  await client.query('UPDATE tenancy SET period = tstzrange(lower(period), $2) WHERE device = $1 AND period @> $2::timestamptz', [key, from])
}

function begins ({ lower }: PeriodRow): number { return lower?.getTime() ?? -Infinity }
function at (time: Date | null): number { return time?.getTime() ?? -Infinity }
