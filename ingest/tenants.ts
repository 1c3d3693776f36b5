// Tenants: which device belongs to which tenant and when, and which login may read which tenant (schemas/sql/0012). Runs as the owner.
// Each change is one transaction; `before` runs in it just before it commits, so that what cannot be written down does not happen.
import { PulsegateError } from '../runtime/errors.ts'
import { type Client, type Database } from './database.ts'
import { moveDevice, type Move } from './tenants-move.ts'

export interface TenantRow {
  readonly tenant: string
  /** That belong to it now, and that once did. */
  readonly devices: number
  readonly formerDevices: number
  /** Logins that may read it by name; those with '*' are listed under '*'. */
  readonly logins: readonly string[]
}

export interface TenantList {
  readonly tenants: readonly TenantRow[]
  /** Logins that may read every tenant. */
  readonly everything: readonly string[]
  /** Members of pulsegate_reader that are mapped to nothing: they see nothing. */
  readonly unmapped: readonly string[]
  /** Mapped logins that do not exist: whoever makes a role of that name gets its rights. */
  readonly missing: readonly string[]
  /** Devices that belong to no tenant: only who reads everything sees them. */
  readonly devicesWithout: number
}

/** Runs before the change commits; a rejection undoes it. */
export type Before<T = void> = (change: T) => Promise<void>

export interface Grant {
  /** False: it was so already. */
  readonly changed: boolean
  /** The login is a member of pulsegate_reader, without which the views are closed to it. */
  readonly reader: boolean
}

const reserved = new Set(['', '*', 'none'])

/** 1 to 63 letters, digits, `.`, `_`, `-`, beginning with a letter or digit; `none` is taken. */
export function isTenant (text: string): boolean {
  return /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/.test(text) && !reserved.has(text)
}

export async function listTenants (database: Database): Promise<TenantList> {
  const { rows: tenants } = await database.query<{ tenant: string, devices: string, former: string, logins: string[] }>(`
    SELECT names.tenant,
      (SELECT count(DISTINCT device) FROM tenancy t WHERE t.tenant = names.tenant AND t.period @> now()) AS devices,
      (SELECT count(DISTINCT device) FROM tenancy t WHERE t.tenant = names.tenant AND NOT EXISTS (
        SELECT FROM tenancy now_in WHERE now_in.device = t.device AND now_in.tenant = t.tenant AND now_in.period @> now())) AS former,
      (SELECT coalesce(array_agg(l.login ORDER BY l.login), '{}') FROM tenant_login l WHERE l.tenant = names.tenant) AS logins
    FROM (SELECT tenant FROM tenancy UNION SELECT tenant FROM tenant_login WHERE tenant <> '*') AS names ORDER BY names.tenant`)
  const { rows: [rest] } = await database.query<{ everything: string[], unmapped: string[], missing: string[], without: string }>(`
    SELECT
      (SELECT coalesce(array_agg(login ORDER BY login), '{}') FROM tenant_login WHERE tenant = '*') AS everything,
      (SELECT coalesce(array_agg(rolname::text ORDER BY rolname), '{}') FROM pg_roles WHERE rolcanlogin AND NOT rolsuper
        AND pg_has_role(oid, (SELECT oid FROM pg_roles WHERE rolname = 'pulsegate_reader'), 'USAGE')
        AND NOT pg_has_role(oid, (SELECT relowner FROM pg_class WHERE oid = 'tenant_login'::regclass), 'USAGE')
        AND rolname NOT IN (SELECT login FROM tenant_login)) AS unmapped,
      (SELECT coalesce(array_agg(DISTINCT login), '{}') FROM tenant_login WHERE login NOT IN (SELECT rolname FROM pg_roles)) AS missing,
      (SELECT count(*) FROM device WHERE tenant IS NULL) AS without`)
  return {
    tenants: tenants.map(({ tenant, devices, former, logins }) => ({ tenant, devices: Number(devices), formerDevices: Number(former), logins })),
    everything: rest?.everything ?? [],
    unmapped: rest?.unmapped ?? [],
    missing: rest?.missing ?? [],
    devicesWithout: Number(rest?.without ?? 0)
  }
}

/** From now on `login` may read `tenant` ('*': all). Error LOGIN_UNKNOWN: no such role, or one that cannot log in. */
export async function grantTenant (database: Database, login: string, tenant: string, by: string, before: Before): Promise<Grant> {
  return database.transaction(async (client) => {
    const reader = await readerOf(client, login)
    const { rowCount } = await client.query(
      'INSERT INTO tenant_login (login, tenant, granted_by) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING', [login, tenant, by])
    await before()
    return { changed: rowCount === 1, reader }
  })
}

/** Ends that right at once, in open sessions too. False: `login` did not have it. */
export async function withdrawTenant (database: Database, login: string, tenant: string, before: Before): Promise<boolean> {
  return database.transaction(async (client) => {
    const { rowCount } = await client.query('DELETE FROM tenant_login WHERE login = $1 AND tenant = $2', [login, tenant])
    await before()
    return rowCount === 1
  })
}

/**
 * `device` belongs to `tenant` (null: to none) from `fromMs` on; without it from now, or since ever when it never had a tenant.
 * Errors: DEVICE_UNKNOWN; TENANCY_REFUSED for a time that is not yet, or before a later period of another tenant.
 */
export async function moveToTenant (database: Database, device: string, tenant: string | null, fromMs: number | undefined, before: Before<Move>): Promise<Move> {
  return database.transaction(async (client) => {
    const move = await moveDevice(client, device, tenant, fromMs)
    await before(move)
    return move
  })
}

async function readerOf (client: Client, login: string): Promise<boolean> {
  const { rows: [role] } = await client.query<{ login: boolean, reader: boolean }>(`
    SELECT rolcanlogin AS login, coalesce(pg_has_role(oid, (SELECT oid FROM pg_roles WHERE rolname = 'pulsegate_reader'), 'USAGE'), false) AS reader
    FROM pg_roles WHERE rolname = $1`, [login])
  if (role?.login === true) return role.reader
  throw new PulsegateError('LOGIN_UNKNOWN', role === undefined ? `the database server has no role ${login}` : `role ${login} cannot log in: rights go by the login of a session, not by a group`)
}
