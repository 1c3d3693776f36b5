// Who may do what in the database, as its catalogue says: a login with more rights than the worker needs, readers with a way to tables,
// rights for everybody. Reads the catalogue only.
import { openDatabase, type Database } from '../ingest/database.ts'
import { type Finding } from './doctor-finding.ts'
import { type SecurityCheck } from './doctor-security.ts'
import { findingOf } from './doctor-security-finding.ts'

export const checkDatabaseRights: SecurityCheck = async ({ config: { databaseUrl } }) => {
  if (databaseUrl === undefined) return [{ name: 'database rights', status: 'ok', detail: 'embedded: no login but Pulsegate\'s own' }]
  const database = openDatabase(databaseUrl, { applicationName: 'pulsegate doctor', poolSize: 1, statementTimeoutMs: 10_000 })
  try {
    return [await checkLogin(database), await checkTableGrants(database), await checkHistory(database), await checkPublic(database)]
  } finally {
    await database.close()
  }
}

async function checkLogin (database: Database): Promise<Finding> {
  const { rows } = await database.query<{ login: string, power: string }>(`
    SELECT rolname AS login, r.power FROM pg_roles, LATERAL (VALUES
      ('SUPERUSER', rolsuper), ('BYPASSRLS', rolbypassrls), ('CREATEROLE', rolcreaterole), ('REPLICATION', rolreplication)) AS r (power, has)
    WHERE rolname = session_user AND r.has`)
  return findingOf('login of the worker', rows.length === 0 ? [] : [`${rows[0]?.login} has ${rows.map(({ power }) => power).join(', ')}`],
    { fine: 'no right beyond its roles', todo: 'make a login of its own for the worker: CREATE ROLE … LOGIN IN ROLE pulsegate_ingest, and migrate with the owner\'s' })
}

/** Tables are for the owner and the roles that Pulsegate grants to by name; a reader gets views. */
async function checkTableGrants (database: Database): Promise<Finding> {
  const { rows } = await database.query<{ grantee: string, relation: string, rights: string }>(`
    SELECT CASE WHEN a.grantee = 0 THEN 'PUBLIC' ELSE a.grantee::regrole::text END AS grantee, c.relname AS relation, string_agg(DISTINCT a.privilege_type, ', ') AS rights
    FROM pg_class c CROSS JOIN LATERAL (
      SELECT grantee, privilege_type FROM aclexplode(c.relacl)
      UNION ALL SELECT e.grantee, e.privilege_type FROM pg_attribute t, aclexplode(t.attacl) e WHERE t.attrelid = c.oid
    ) AS a LEFT JOIN pg_roles g ON g.oid = a.grantee
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'f') AND a.grantee <> c.relowner
      AND (a.grantee = 0 OR g.rolname NOT LIKE 'pulsegate\\_%' OR g.rolname = 'pulsegate_reader')
      AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
    GROUP BY 1, 2 ORDER BY 1, 2`)
  return findingOf('rights on tables', rows.map(({ grantee, relation, rights }) => `${grantee} has ${rights} on ${relation}`),
    { fine: 'none but the owner\'s and the worker\'s', todo: 'REVOKE them: readers are granted views (docs/database.md)' })
}

async function checkHistory (database: Database): Promise<Finding> {
  const { rows } = await database.query<{ relation: string }>(`
    SELECT c.relname AS relation FROM pg_class c, pg_roles r
    WHERE r.rolname = 'pulsegate_ingest' AND c.relnamespace = 'public'::regnamespace
      AND c.relname IN ('sample', 'wave', 'sample_1m', 'sample_1h', 'assignment', 'reading', 'wave_block') AND has_table_privilege(r.oid, c.oid, 'SELECT')`)
  return findingOf('history open to the worker', rows.map(({ relation }) => `pulsegate_ingest may read ${relation}`),
    { fine: 'the worker writes and cannot read', todo: 'REVOKE SELECT … FROM pulsegate_ingest, and look who granted it' })
}

/** What everybody who can log in may do: make things in our schema, read our relations, run what runs with the owner's rights. */
async function checkPublic (database: Database): Promise<Finding> {
  const { rows } = await database.query<{ fault: string }>(`
    SELECT 'make tables in schema public' AS fault FROM pg_namespace n, aclexplode(n.nspacl) a
      WHERE n.nspname = 'public' AND a.grantee = 0 AND a.privilege_type = 'CREATE'
    UNION ALL SELECT format('%s %s', lower(a.privilege_type), c.relname) FROM pg_class c, aclexplode(c.relacl) a
      WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('v', 'm') AND a.grantee = 0
      AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
    UNION ALL SELECT format('run %s() with the owner''s rights', p.proname) FROM pg_proc p
      WHERE p.pronamespace = 'public'::regnamespace AND p.prosecdef AND p.prorettype <> 'trigger'::regtype
      AND (p.proacl IS NULL OR EXISTS (SELECT FROM aclexplode(p.proacl) a WHERE a.grantee = 0))
      AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e')`)
  return findingOf('rights of everybody', rows.map(({ fault }) => `PUBLIC may ${fault}`),
    { fine: 'none', todo: 'REVOKE them FROM PUBLIC; `pulsegate migrate` takes its own back' })
}
