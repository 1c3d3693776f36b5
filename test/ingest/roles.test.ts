// Who may do what in the database: the worker's role writes and cannot read history, readers see views only.
import { test } from 'tap'
import { openDatabase, type Database } from '../../ingest/database.ts'
import { sqlStateOf } from '../../ingest/sqlstate.ts'
import { needsServices } from '../services/skip.ts'
import { temporaryDatabase } from '../services/timescaledb.ts'

const denied = '42501' // insufficient_privilege

/** 'yes', or the SQLSTATE of the refusal; nothing is kept. */
async function may (database: Database, statement: string): Promise<string> {
  try {
    await database.transaction(async (client) => {
      await client.query(statement)
      throw new Error('undo')
    })
    return 'never'
  } catch (error) {
    return sqlStateOf(error) ?? 'yes'
  }
}

const tables = ['device', 'device_boot', 'metric', 'pairing', 'assignment', 'sample', 'wave', 'receipt', 'quarantine', 'audit',
  'rollup_mark', 'sample_1m', 'sample_1h', 'retention', 'schema_migration', 'device_state_history']
const views = ['device_list', 'metric_list', 'reading', 'latest_reading', 'reading_1m', 'reading_1h', 'wave_block', 'wave_sample',
  'subject_reading', 'subject_latest', 'subject_wave_block']
const ingestMaySelect = new Set(['device', 'device_boot', 'metric', 'pairing', 'retention', 'schema_migration'])

const stores = [
  `INSERT INTO receipt (time, boot, seq, received_at, tick_ms, device, publisher, flags, placed, samples, waves, unknown_keys)
   SELECT now(), 1, seq, now(), 0, 1, 1, 0, 1, 1, 0, 0 FROM unnest('{1,2}'::int8[]) AS s (seq)
   ON CONFLICT (device, boot, seq, time) DO NOTHING RETURNING device, boot, seq`,
  'INSERT INTO sample (time, value, device, metric, quality) VALUES (now(), 1, 1, 1, 0)',
  "INSERT INTO wave (time, scale, device, period_us, \"offset\", metric, \"values\") VALUES (now(), 1, 1, 4000, 0, 3, '{1}')",
  "INSERT INTO rollup_mark (devices, minutes) VALUES ('{1}', '{1}')",
  `INSERT INTO quarantine (received_at, last_received_at, publisher, kind, reason, payload, digest)
   VALUES (now(), now(), gen_random_uuid(), 'telemetry', 'not-cbor', '', sha256(''))
   ON CONFLICT (publisher, kind, digest, reason) DO UPDATE SET times = quarantine.times + 1, last_received_at = excluded.last_received_at
   RETURNING id`,
  "INSERT INTO device (id, state) VALUES (gen_random_uuid(), 'active') ON CONFLICT (id) DO UPDATE SET last_seen = now() RETURNING key, state",
  "UPDATE device SET state = 'suspended' WHERE id = gen_random_uuid()",
  "SELECT ensure_partitions(now(), now() + INTERVAL '1 day')",
  'SELECT roll_up(10)',
  "SELECT retain(INTERVAL '400 days')",
  'SELECT reason, messages FROM quarantine_by_reason()'
]

const forbidden = [
  'CREATE TABLE mine (a int)',
  'DROP TABLE sample',
  'ALTER TABLE device ADD COLUMN more int',
  'DELETE FROM sample',
  'UPDATE sample SET value = 0',
  'DELETE FROM receipt',
  'DELETE FROM audit',
  'UPDATE audit SET event = NULL',
  'UPDATE device SET id = gen_random_uuid()',
  'TRUNCATE sample'
]

for (const edition of ['plain', 'timescaledb-apache'] as const) {
  test(`${edition}: the ingest role stores, and reads no history`, needsServices, async (t) => {
    const { url } = await temporaryDatabase(t, { edition })
    const database = openDatabase(url, { role: 'pulsegate_ingest' })
    t.teardown(() => database.close())
    for (const statement of stores) t.equal(await may(database, statement), 'yes', statement.slice(0, 40))
    for (const table of tables) t.equal(await may(database, `SELECT * FROM ${table}`), ingestMaySelect.has(table) ? 'yes' : denied, `SELECT ${table}`)
    for (const column of ['payload', 'detail']) t.equal(await may(database, `SELECT ${column} FROM quarantine`), denied, `quarantine.${column}`)
    for (const view of views) t.equal(await may(database, `SELECT * FROM ${view}`), denied, `SELECT ${view}`)
    for (const statement of forbidden) t.equal(await may(database, statement), denied, statement)
    t.equal(await may(database, 'SELECT completeness(gen_random_uuid())'), denied)
  })

  test(`${edition}: the reader role sees views and nothing else`, needsServices, async (t) => {
    const { url } = await temporaryDatabase(t, { edition })
    const database = openDatabase(url, { role: 'pulsegate_reader' })
    t.teardown(() => database.close())
    for (const view of views) t.equal(await may(database, `SELECT * FROM ${view}`), 'yes', `SELECT ${view}`)
    t.equal(await may(database, 'SELECT * FROM completeness(gen_random_uuid())'), 'yes')
    t.equal(await may(database, "SELECT * FROM wave_values(gen_random_uuid(), 'ecg-lead-ii', now(), now())"), 'yes')
    for (const table of tables) t.equal(await may(database, `SELECT * FROM ${table}`), denied, `SELECT ${table}`)
    for (const statement of forbidden) t.equal(await may(database, statement), denied, statement)
    for (const call of ["retain(INTERVAL '400 days')", 'roll_up(1)', 'ensure_partitions(now(), now())', 'use_columnstore()']) {
      t.equal(await may(database, `SELECT ${call}`), denied, call)
    }
  })

  test(`${edition}: a partition or chunk is no way round`, needsServices, async (t) => {
    const { url } = await temporaryDatabase(t, { edition })
    const owner = openDatabase(url)
    t.teardown(() => owner.close())
    await owner.query('INSERT INTO sample (time, value, device, metric, quality) VALUES (now(), 1, 1, 1, 0)')
    const { rows } = await owner.query<{ child: string }>("SELECT format('%s', inhrelid::regclass) AS child FROM pg_inherits WHERE inhparent IN ('sample'::regclass, 'wave'::regclass)")
    t.ok(rows.length > 0)
    for (const role of ['pulsegate_ingest', 'pulsegate_reader'] as const) {
      const database = openDatabase(url, { role })
      t.teardown(() => database.close())
      for (const { child } of rows) t.equal(await may(database, `SELECT * FROM ${child}`), denied, `${role} ${child}`)
    }
  })
}

test('options in the URL do not undo the role', needsServices, async (t) => {
  const { url } = await temporaryDatabase(t, { edition: 'plain' })
  const database = openDatabase(`${url}?options=${encodeURIComponent('-c role=none -c work_mem=5MB')}`, { role: 'pulsegate_reader' })
  t.teardown(() => database.close())
  const { rows } = await database.query("SELECT current_user AS role, current_setting('work_mem') AS memory, current_setting('TimeZone') AS zone")
  t.strictSame(rows, [{ role: 'pulsegate_reader', memory: '5MB', zone: 'UTC' }])
})
