// What a reader of tenant A may try to learn of tenant B without being shown a row: functions and operators of its own in the condition,
// errors that carry values, estimates, counts of EXPLAIN, statistics, other roles, functions with the owner's rights.
import { test, type Test } from 'tap'
import { describeFault, sqlStateOf } from '../../ingest/sqlstate.ts'
import { type Login, temporaryLogin } from '../fixtures/logins.ts'
import { type Ward, ward } from '../fixtures/tenants.ts'
import { needsServices } from '../services/skip.ts'

const editions = ['plain', 'timescaledb-apache'] as const

/** Of B and of nobody, and nowhere else: what must never be told. */
const canary = 987_654.25

/** The ward, with a canary as B's and as nobody's value, and a schema in which A may make functions. */
async function hostile (t: Test, edition: typeof editions[number]): Promise<Ward & { readonly mallory: Login }> {
  const made = await ward(t, edition)
  const { owner, b, free, logins: { readerA: mallory } } = made
  await owner.query('UPDATE sample SET value = $1 WHERE device = ANY($2)', [canary, [b.key, free.key]])
  await owner.query('UPDATE sample_1m SET min = $1, max = $1, sum = $1 WHERE device = ANY($2)', [canary, [b.key, free.key]])
  await owner.query(`CREATE SCHEMA own AUTHORIZATION ${mallory.name}`)
  return { ...made, mallory }
}

async function outcome (login: Login, text: string, values: unknown[] = []): Promise<string> {
  try {
    return JSON.stringify((await login.query(text, values)).rows)
  } catch (error) {
    const { message, detail = '', hint = '', where = '' } = error as { message: string, detail?: string, hint?: string, where?: string }
    return `${sqlStateOf(error) ?? ''} ${message} ${detail} ${hint} ${where} ${describeFault(error)}`
  }
}

const planOf = async (login: Login, text: string, values: unknown[] = []): Promise<string> =>
  (await login.query(text, values)).rows.map((row) => String((row as Record<string, unknown>)['QUERY PLAN'])).join('\n')

for (const edition of editions) {
  test(`${edition}: functions and operators of the reader meet only its own rows [C12]`, needsServices, async (t) => {
    const { mallory } = await hostile(t, edition)
    await mallory.query(`CREATE FUNCTION own.tell(float8) RETURNS boolean LANGUAGE plpgsql COST 0.0000001 AS $$
      BEGIN RAISE NOTICE 'saw %', $1; RETURN true; END $$`)
    await mallory.query(`CREATE FUNCTION own.tell(uuid) RETURNS boolean LANGUAGE plpgsql COST 0.0000001 AS $$
      BEGIN RAISE NOTICE 'saw %', $1; RETURN true; END $$`)
    await mallory.query('CREATE FUNCTION own.less(float8, float8) RETURNS boolean LANGUAGE plpgsql COST 0.0000001 AS $$ BEGIN RAISE NOTICE \'saw %\', $1; RETURN true; END $$')
    await mallory.query('CREATE OPERATOR own.<<< (LEFTARG = float8, RIGHTARG = float8, FUNCTION = own.less, RESTRICT = scalarltsel)')
    t.match(await outcome(mallory, 'CREATE FUNCTION own.trusted(float8) RETURNS boolean LANGUAGE sql LEAKPROOF AS $$ SELECT true $$'), /42501/, 'nobody but a superuser calls a function leak-proof')
    const before = await mallory.query('SELECT count(*)::int AS n FROM reading WHERE own.tell(value)')
    t.strictSame(before.rows, [{ n: 3 }])
    for (const view of ['reading', 'latest_reading', 'wave_sample']) await mallory.query(`SELECT * FROM ${view} WHERE own.tell(value) AND own.tell(device) AND value OPERATOR(own.<<<) 1`)
    for (const view of ['reading_1m', 'reading_1h']) await mallory.query(`SELECT * FROM ${view} WHERE own.tell(max) AND own.tell(avg) AND own.tell(device)`)
    await mallory.query('SELECT * FROM device_list WHERE own.tell(device)')
    t.ok(mallory.notices.length > 10, 'the functions ran')
    t.notMatch(mallory.notices.join(), new RegExp(`${canary}|-00000000000[24]`), 'and saw nothing of B or of nobody')
  })

  test(`${edition}: no error text carries a value of another tenant [C12]`, needsServices, async (t) => {
    const { mallory, b } = await hostile(t, edition)
    const attempts = [
      'SELECT * FROM reading WHERE value::text::int4 > 0',
      `SELECT * FROM reading WHERE 1 / (value - ${canary}) > 0`,
      `SELECT * FROM reading WHERE CASE WHEN value = ${canary} THEN 1 / 0 ELSE 1 END = 1`,
      "SELECT * FROM reading WHERE ('x' || value)::int4 = 1 AND device = '" + b.id + "'",
      'SELECT * FROM reading_1m WHERE (max::text)::int2 > 0',
      "SELECT * FROM device_list WHERE ('x' || device)::int4 = 1 AND device = '" + b.id + "'",
      'SELECT 1 / (count(*) FILTER (WHERE value > 900000)) FROM reading',
      "SELECT * FROM completeness('" + b.id + "') WHERE 1 / received > 0",
      "SELECT * FROM wave_values('" + b.id + "', 'ecg-lead-ii', '-infinity', 'infinity') WHERE 1 / raw > 0"
    ]
    for (const attempt of attempts) {
      const said = await outcome(mallory, attempt)
      t.notMatch(said, new RegExp(`${canary}|${b.id}`), attempt)
    }
    const absent = '00000000-0000-4000-8000-0000000000ff'
    for (const attempt of attempts.filter((text) => text.includes(b.id))) {
      t.equal(await outcome(mallory, attempt), (await outcome(mallory, attempt.replace(b.id, absent))), 'a foreign device is like one that is not there')
    }
  })

  test(`${edition}: neither estimates nor counts of EXPLAIN tell of another tenant's values [C12]`, needsServices, async (t) => {
    const { mallory, owner, b } = await hostile(t, edition)
    await owner.query('ANALYZE')
    const absent = '00000000-0000-4000-8000-0000000000ff'
    const explain = 'EXPLAIN SELECT * FROM reading WHERE device = $1'
    t.equal(mask(await planOf(mallory, explain.replace('$1', `'${b.id}'`))), mask(await planOf(mallory, explain.replace('$1', `'${absent}'`))))
    // leak-proof comparisons go below the barrier: what they let through must be counted over A's rows only
    const exact = 'EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF, BUFFERS OFF) SELECT * FROM'
    for (const off of ['', 'SET enable_nestloop = off', 'SET enable_indexscan = off; SET enable_bitmapscan = off', 'RESET ALL; SET enable_hashjoin = off']) {
      if (off !== '') await mallory.query(off)
      for (const view of ['reading', 'latest_reading']) {
        t.equal(await planOf(mallory, `${exact} ${view} WHERE value = ${canary}`), (await planOf(mallory, `${exact} ${view} WHERE value = 123456.25`)).replaceAll('123456.25', String(canary)), `${view} ${off}: B's value is like one that is not there`)
      }
      t.equal(await planOf(mallory, `${exact} reading_1m WHERE max = ${canary}`), (await planOf(mallory, `${exact} reading_1m WHERE max = 123456.25`)).replaceAll('123456.25', String(canary)), `reading_1m ${off}`)
    }
    await mallory.query('RESET ALL')
    const rows = async (condition: string): Promise<string[]> => [...(await planOf(mallory, `EXPLAIN SELECT * FROM reading WHERE ${condition}`)).matchAll(/rows=(\d+)/g)].map(([, n]) => n as string)
    t.strictSame(await rows(`value > ${canary - 1}`), await rows(`value > ${canary + 1}`), 'no histogram of all tenants’ values behind an estimate')
    t.strictSame((await mallory.query("SELECT count(*)::int AS n FROM pg_stats WHERE schemaname = 'public' OR tablename LIKE '\\_hyper\\_%'")).rows, [{ n: 0 }], 'no statistics of any table')
  })

  test(`${edition}: no other way in: roles, sequences, activity, the owner's functions, prepared plans [C12]`, needsServices, async (t) => {
    const { mallory, owner, b, logins: { readerB, unmapped } } = await hostile(t, edition)
    const refused: Array<[string, RegExp]> = [
      [`SET ROLE ${readerB.name}`, /42501/],
      [`SET SESSION AUTHORIZATION ${readerB.name}`, /42501/],
      ['SET ROLE pulsegate_ingest', /42501/],
      ["SELECT nextval('device_key_seq')", /42501/],
      ['SELECT last_value FROM quarantine_id_seq', /42501/],
      [`INSERT INTO tenant_login (login, tenant) VALUES ('${mallory.name}', 'B')`, /42501/],
      [`UPDATE device_list SET tenant = 'A' WHERE device = '${b.id}'`, /55000|42501/],
      ['CREATE TABLE own.referring (device int4 REFERENCES device)', /42501/],
      ['CREATE TABLE own.heir () INHERITS (sample)', /42501|42809/],
      ['SELECT pg_read_file(\'postgresql.conf\')', /42501/],
      ["SELECT * FROM dblink('', '') AS x (a int)", /42883/]
    ]
    for (const [attempt, state] of refused) t.match(await outcome(mallory, attempt), state, attempt)
    await mallory.query('SET ROLE pulsegate_reader')
    t.strictSame((await mallory.query('SELECT DISTINCT device FROM reading ORDER BY 1')).rows.length, 2, 'another role, the same login')
    await mallory.query("SET app.tenant = 'B'")
    await mallory.query('SET search_path = own, public')
    t.strictSame((await mallory.query('SELECT DISTINCT device FROM public.reading ORDER BY 1')).rows.length, 2, 'a setting changes nothing')
    await mallory.query('RESET ROLE')
    // names of ours made again in the reader's own schema are not what the views call
    await mallory.query("CREATE FUNCTION own.tenants_seen() RETURNS text[] LANGUAGE sql AS $$ SELECT '{*}'::text[] $$")
    await mallory.query("CREATE TEMP TABLE tenant_login AS SELECT session_user::text AS login, '*'::text AS tenant")
    t.strictSame((await mallory.query('SELECT DISTINCT device FROM public.reading ORDER BY 1')).rows.length, 2)
    t.strictSame((await mallory.query('SELECT tenants_seen() AS own, public.tenants_seen() AS real')).rows, [{ own: ['*'], real: ['A'] }])
    await mallory.query('DROP TABLE pg_temp.tenant_login; RESET search_path')
    // B's own function with B's rights, called by A: the login stays A
    await owner.query(`CREATE SCHEMA bs AUTHORIZATION ${readerB.name}; GRANT USAGE ON SCHEMA bs TO PUBLIC`)
    await readerB.query('CREATE FUNCTION bs.all_of_it() RETURNS SETOF reading LANGUAGE sql SECURITY DEFINER AS $$ SELECT * FROM public.reading $$')
    t.equal((await readerB.query('SELECT count(*)::int AS n FROM bs.all_of_it()')).rows[0]?.['n'], 3)
    t.equal((await unmapped.query('SELECT count(*)::int AS n FROM bs.all_of_it()')).rows[0]?.['n'], 0)
    t.notMatch(JSON.stringify((await mallory.query('SELECT DISTINCT device FROM bs.all_of_it()')).rows), b.id)
    // other sessions' statements, which may name devices
    await readerB.query("SELECT 'a secret of B' AS statement")
    t.notMatch(JSON.stringify((await mallory.query('SELECT query FROM pg_stat_activity')).rows), /a secret of B'/)
    // a right that is withdrawn ends in open sessions and prepared plans
    await mallory.query('PREPARE mine AS SELECT count(*)::int AS n FROM reading')
    for (let i = 0; i < 7; i++) t.strictSame((await mallory.query('EXECUTE mine')).rows, [{ n: 3 }])
    await owner.query('DELETE FROM tenant_login WHERE login = $1', [mallory.name])
    t.strictSame((await mallory.query('EXECUTE mine')).rows, [{ n: 0 }])
    const stranger = await temporaryLogin(t, (await ward(t, edition)).url)
    t.match(await outcome(stranger, 'SELECT * FROM reading'), /42501/)
  })
}

/** A plan without what was asked for. */
function mask (plan: string): string { return plan.replace(/'[0-9a-f-]{36}'/g, '<id>') }
