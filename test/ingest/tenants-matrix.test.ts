// The whole matrix: who × which view, function or table × which operation, against a table written by hand. Everything the database
// has in our schema is in it: a table or view that is not named here fails the test.
import { test } from 'tap'
import { sqlStateOf } from '../../ingest/sqlstate.ts'
import { temporaryLogin } from '../fixtures/logins.ts'
import { type Ward, ward } from '../fixtures/tenants.ts'
import { needsServices } from '../services/skip.ts'

type Query = (text: string) => Promise<{ rows: unknown[] }>

const who = ['owner', 'ingest', 'broker', 'auditor', 'unmapped', 'readerA', 'readerB', 'readerAll', 'nobody'] as const
type Who = typeof who[number]
type Rights = Partial<Record<Who, string>>

// what each may do with all columns; insert and update: with the columns it may write at all
const all = 'select insert update delete truncate explain copy'
const look = 'select explain copy'
const objects: Record<string, Rights> = {
  device: { owner: all, ingest: 'select insert update explain copy', broker: 'insert update' },
  device_boot: { owner: all, ingest: 'select insert explain copy' },
  metric: { owner: all, ingest: look },
  pairing: { owner: all, ingest: 'select insert update explain copy' },
  assignment: { owner: all },
  sample: { owner: all, ingest: 'insert' },
  wave: { owner: all, ingest: 'insert' },
  receipt: { owner: all, ingest: 'insert' },
  sample_1m: { owner: all },
  sample_1h: { owner: all },
  rollup_mark: { owner: all, ingest: 'insert' },
  quarantine: { owner: all, ingest: 'insert update' },
  // append-only: triggers refuse the owner too
  audit: { owner: 'select insert explain copy', ingest: 'insert', broker: 'insert', auditor: 'insert' },
  audit_head: { owner: 'select insert explain copy', ingest: 'insert', broker: 'insert', auditor: look },
  audit_trail: { owner: 'select insert explain copy', auditor: look },
  device_state_history: { owner: all },
  retention: { owner: all, ingest: look },
  schema_migration: { owner: all, ingest: look },
  data_key: { owner: all, ingest: 'select insert update explain copy' },
  export: { owner: all },
  tenancy: { owner: all, auditor: look },
  tenant_login: { owner: all, auditor: look },
  erasure: { owner: all, auditor: look },
  erasure_part: { owner: all, auditor: look },
  erased_rows: { owner: all },
  seen_period: { owner: look }
}
const views = ['device_list', 'metric_list', 'reading', 'latest_reading', 'reading_1m', 'reading_1h', 'wave_block', 'wave_sample', 'subject_reading', 'subject_latest', 'subject_wave_block']
for (const view of views) objects[view] = { owner: look, unmapped: look, readerA: look, readerB: look, readerAll: look }
// of one table and nothing else: PostgreSQL lets its owner write through it
objects['metric_list'] = { ...objects['metric_list'], owner: 'select insert update delete explain copy' }

// single columns, where a right is to some only
const columns: Array<[string, readonly Who[]]> = [
  ['SELECT key, id, state, first_seen, last_seen FROM device', ['owner', 'ingest', 'broker']],
  ['SELECT serial FROM device', ['owner', 'ingest']],
  ['SELECT tenant FROM device', ['owner', 'ingest']],
  ["UPDATE device SET state = 'retired' WHERE false", ['owner', 'ingest']],
  ['UPDATE device SET id = gen_random_uuid() WHERE false', ['owner']],
  ["UPDATE device SET tenant = 'A' WHERE false", ['owner']],
  ['SELECT device, boot, seq, time FROM receipt', ['owner', 'ingest']],
  ['SELECT received_at FROM receipt', ['owner']],
  ['SELECT id, publisher, kind, digest, reason, times, last_received_at FROM quarantine', ['owner', 'ingest']],
  ['SELECT payload FROM quarantine', ['owner']],
  ['SELECT detail FROM quarantine', ['owner']],
  ["UPDATE quarantine SET payload = '' WHERE false", ['owner']],
  ['SELECT subject FROM assignment', ['owner']]
]

// rows of each view by who asks: device 1 is A's, 2 B's, 3 was A's and is B's, 4 is nobody's (fixtures/tenants.ts)
const counts: Record<string, Partial<Record<Who, number>>> = {
  device_list: { owner: 4, readerAll: 4, readerA: 2, readerB: 2, unmapped: 0 },
  reading: { owner: 8, readerAll: 8, readerA: 3, readerB: 3, unmapped: 0 },
  latest_reading: { owner: 4, readerAll: 4, readerA: 2, readerB: 2, unmapped: 0 },
  reading_1m: { owner: 8, readerAll: 8, readerA: 3, readerB: 3, unmapped: 0 },
  reading_1h: { owner: 4, readerAll: 4, readerA: 1, readerB: 1, unmapped: 0 },
  wave_block: { owner: 4, readerAll: 4, readerA: 1, readerB: 1, unmapped: 0 },
  wave_sample: { owner: 16, readerAll: 16, readerA: 6, readerB: 6, unmapped: 0 }
}

// rows by argument: a device of A, of B, the moved one
const functions: Record<string, Partial<Record<Who, readonly number[]>>> = {
  "completeness('<id>')": { owner: [1, 1, 1], readerAll: [1, 1, 1], readerA: [1, 0, 1], readerB: [0, 1, 1], unmapped: [0, 0, 0] },
  "wave_values('<id>', 'ecg-lead-ii', '-infinity', 'infinity')": {
    owner: [4, 4, 4], readerAll: [4, 4, 4], readerA: [4, 0, 2], readerB: [0, 4, 2], unmapped: [0, 0, 0]
  },
  "completeness_between('<id>', '-infinity', 'infinity')": { owner: [1, 1, 1] }
}
const calls: Record<string, readonly Who[]> = {
  'ensure_partitions(now(), now())': ['owner', 'ingest'],
  'roll_up(1)': ['owner', 'ingest'],
  "retain(INTERVAL '400 days')": ['owner', 'ingest'],
  'quarantine_by_reason()': ['owner', 'ingest'],
  'use_columnstore()': ['owner'],
  "retention_overdue(INTERVAL '400 days')": ['owner', 'ingest'],
  'erase_again()': ['owner', 'ingest'],
  "erase_slice(1, date_trunc('hour', now()), now())": ['owner'],
  'count_erased(1, 0, 0)': ['owner'],
  "erase_waves(1, now() - INTERVAL '1 hour', now(), now() - INTERVAL '1 hour', now())": ['owner'],
  "erase_edges(1, now() - INTERVAL '1 hour', now())": ['owner'],
  "erase_next(1, '-infinity', now())": ['owner'],
  "erase_quarantine('{1}')": ['owner'],
  'tenants_seen()': ['owner', 'unmapped', 'readerA', 'readerB', 'readerAll'],
  'sees_all()': ['owner', 'unmapped', 'readerA', 'readerB', 'readerAll']
}
const ddl = [
  'CREATE TABLE mine (a int)', 'CREATE VIEW mine AS SELECT 1', 'CREATE FUNCTION public.mine() RETURNS int LANGUAGE sql AS $$ SELECT 1 $$',
  'DROP VIEW reading CASCADE', 'ALTER TABLE device ADD COLUMN more int', 'ALTER VIEW reading SET (security_barrier = false)',
  "CREATE OR REPLACE FUNCTION tenants_seen() RETURNS text[] LANGUAGE sql AS $$ SELECT '{*}'::text[] $$",
  'CREATE INDEX ON sample (time)', 'LOCK TABLE sample IN ACCESS EXCLUSIVE MODE', 'CREATE TRIGGER mine AFTER INSERT ON sample EXECUTE FUNCTION follow_tenancy()'
]

const written: Record<string, string> = { device: 'last_seen', pairing: 'period', quarantine: 'times', data_key: 'messages' }

function statements (name: string, column: string): Record<string, string> {
  return {
    select: `SELECT * FROM ${name}`,
    insert: `INSERT INTO ${name} DEFAULT VALUES`,
    update: `UPDATE ${name} SET ${written[name] ?? column} = DEFAULT`,
    delete: `DELETE FROM ${name}`,
    truncate: `TRUNCATE ${name} CASCADE`,
    explain: `EXPLAIN SELECT * FROM ${name}`,
    copy: `COPY (SELECT * FROM ${name} LIMIT 1) TO STDOUT`
  }
}

for (const edition of ['plain', 'timescaledb-apache'] as const) {
  test(`${edition}: role × tenant × view × operation, as written by hand [C12]`, needsServices, async (t) => {
    const made = await ward(t, edition)
    const { owner, a, b, moved } = made
    const query = await everybody(t, made)
    const { rows: found } = await owner.query<{ name: string, column: string }>(`
      SELECT c.relname AS name, (SELECT quote_ident(attname) FROM pg_attribute WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped
        AND attidentity = '' AND attgenerated = '' ORDER BY attnum LIMIT 1) AS column
      FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm', 'f') AND NOT c.relispartition ORDER BY c.relname::text COLLATE "C"`)
    t.strictSame(found.map(({ name }) => name), Object.keys(objects).sort(), 'every table and view there is stands in the matrix')
    for (const { name, column } of found) {
      for (const one of who) {
        const can: string[] = []
        for (const [operation, text] of Object.entries(statements(name, column))) {
          const verdict = await may(query[one], text)
          if (verdict === 'yes') can.push(operation)
          else if (verdict !== 'no') can.push(`${operation}: ${verdict}`)
        }
        t.equal(can.join(' '), objects[name]?.[one] ?? '', `${one} ${name}`)
      }
    }
    for (const [text, allowed] of columns) {
      for (const one of who) t.equal(await may(query[one], text), allowed.includes(one) ? 'yes' : 'no', `${one} ${text}`)
    }
    for (const [view, perWho] of Object.entries(counts)) {
      for (const [one, expected] of Object.entries(perWho) as Array<[Who, number]>) {
        t.strictSame((await query[one](`SELECT count(*)::int AS n FROM ${view}`)).rows, [{ n: expected }], `${one} counts ${view}`)
      }
    }
    for (const [call, perWho] of Object.entries(functions)) {
      for (const one of who) {
        for (const [index, { id }] of [a, b, moved].entries()) {
          const text = `SELECT count(*)::int AS n FROM ${call.replace('<id>', id)}`
          const expected = perWho[one]?.[index]
          if (expected === undefined) t.equal(await may(query[one], text), 'no', `${one} ${text}`)
          else t.strictSame((await query[one](text)).rows, [{ n: expected }], `${one} ${text}`)
        }
      }
    }
    for (const [call, allowed] of Object.entries(calls)) {
      for (const one of who) t.equal(await may(query[one], `SELECT ${call}`), allowed.includes(one) ? 'yes' : 'no', `${one} ${call}`)
    }
    for (const one of who.filter((name) => name !== 'owner')) {
      for (const text of ddl) t.equal(await may(query[one], text), 'no', `${one}: ${text}`)
      // accepted with a warning that nothing was granted
      await query[one]('GRANT SELECT ON sample TO PUBLIC').catch(() => {})
    }
    t.equal(await may(query.nobody, 'SELECT FROM sample'), 'no', 'and nothing was')
    const { rows: owners } = await owner.query("SELECT DISTINCT pg_get_userbyid(relowner) AS owner FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'v')")
    t.strictSame(owners, (await owner.query('SELECT session_user AS owner')).rows, 'nobody but who migrated owns a table or view')
  })
}

/** A connection of each, on which every statement is undone. */
async function everybody (t: Parameters<typeof ward>[0], { url, owner, logins }: Ward): Promise<Record<Who, Query>> {
  const undoing = (query: (text: string) => Promise<{ rows: unknown[] }>): Query => async (text) => {
    await query('BEGIN')
    try { return await query(text) } finally { await query('ROLLBACK') }
  }
  const login = async (...groups: string[]): Promise<Query> => undoing((await temporaryLogin(t, url, groups)).query)
  return {
    owner: async (text) => {
      let answer: { rows: unknown[] } = { rows: [] }
      await owner.transaction(async (client) => { answer = await client.query(text); throw new Error('undo') }).catch((error: Error) => { if (error.message !== 'undo') throw error })
      return answer
    },
    ingest: await login('pulsegate_ingest'),
    broker: await login('pulsegate_broker'),
    auditor: await login('pulsegate_auditor'),
    nobody: await login(),
    unmapped: undoing(logins.unmapped.query),
    readerA: undoing(logins.readerA.query),
    readerB: undoing(logins.readerB.query),
    readerAll: undoing(logins.readerAll.query)
  }
}

/** no: refused. Yes also when the right was there and a constraint was in the way: missing values (23502), no partition (23514), our own trigger. */
async function may (query: Query, text: string): Promise<string> {
  try {
    await query(text)
    return 'yes'
  } catch (error) {
    const state = sqlStateOf(error) ?? String(error)
    if (state === '42501') return 'no'
    // a view that joins, or is no table, cannot be written to by anybody
    if (state === '55000' || state === '42809') return 'no'
    return state.startsWith('23') ? 'yes' : state
  }
}
