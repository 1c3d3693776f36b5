// Who reads whose data: logins that are mapped to tenants and are gone, or can read past their tenant, and readers that nothing is mapped to.
import { type Database } from '../ingest/database.ts'
import { listTenants } from '../ingest/tenants.ts'
import { type SecurityCheck } from './doctor-security.ts'
import { findingOf } from './doctor-security-finding.ts'
import { lookInto } from './doctor-security-look.ts'

export const checkTenantLogins: SecurityCheck = ({ config: { databaseUrl } }) => lookInto('tenant logins', databaseUrl, async (database) => {
  const { missing, unmapped } = await listTenants(database)
  return [
    findingOf('tenant login that is gone', missing.map((login) => `${login} has rights and does not exist`),
      { fine: 'none', todo: '`pulsegate tenants withdraw` them: whoever makes a role of that name gets its rights' }),
    findingOf('tenant login that reads more', await wide(database), { fine: 'none', todo: 'take the role or power away: the views hold nobody back who reads the tables' }),
    findingOf('reader without a tenant', unmapped.map((login) => `${login} is in pulsegate_reader and sees nothing`),
      { fine: 'none', todo: 'map it with `pulsegate tenants grant`, or take it out of pulsegate_reader', status: 'warn' })
  ]
})

/** Logins mapped to tenants by name that need no view: they own the tables, are in a role that writes them, or no right is asked of them. */
async function wide (database: Database): Promise<string[]> {
  const { rows } = await database.query<{ login: string, ways: string }>(`
    SELECT r.rolname AS login, string_agg(w.way, ', ' ORDER BY w.way) AS ways FROM pg_roles r CROSS JOIN LATERAL (
      SELECT 'SUPERUSER' AS way WHERE r.rolsuper
      UNION ALL SELECT 'pg_read_all_data' WHERE pg_has_role(r.oid, 'pg_read_all_data', 'MEMBER')
      UNION ALL SELECT p.rolname FROM pg_roles p WHERE p.rolname IN ('pulsegate_ingest', 'pulsegate_broker', 'pulsegate_auditor') AND pg_has_role(r.oid, p.oid, 'MEMBER')
      UNION ALL SELECT 'the owner' FROM pg_class c WHERE c.oid = 'public.sample'::regclass AND pg_has_role(r.oid, c.relowner, 'MEMBER')
    ) AS w
    WHERE r.rolname IN (SELECT login FROM tenant_login WHERE tenant <> '*') AND (NOT r.rolsuper OR w.way = 'SUPERUSER')
    GROUP BY 1 ORDER BY 1`)
  return rows.map(({ login, ways }) => `${login}: ${ways}`)
}
