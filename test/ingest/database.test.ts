// The door to PostgreSQL: every wait ends, a commit is a commit, a client that failed does not come back.
import { test, type Test } from 'tap'
import { openDatabase, type Database, type DatabaseOptions } from '../../ingest/database.ts'
import { ownServer } from '../services/server.ts'
import { needsServices } from '../services/skip.ts'
import { temporaryDatabase } from '../services/timescaledb.ts'

async function open (t: Test, options: DatabaseOptions = {}): Promise<Database> {
  const { url } = await temporaryDatabase(t, { edition: 'plain', migrated: false })
  const database = openDatabase(url, options)
  t.teardown(() => database.close())
  await database.query('CREATE TABLE kept (a int PRIMARY KEY)')
  return database
}

test('a transaction that resolves is visible to others; one that rejects left nothing', needsServices, async (t) => {
  const database = await open(t)
  t.equal(await database.transaction(async (client) => { await client.query('INSERT INTO kept VALUES (1)'); return 'done' }), 'done')
  await t.rejects(database.transaction(async (client) => {
    await client.query('INSERT INTO kept VALUES (2)')
    throw new Error('changed my mind')
  }), /changed my mind/)
  t.strictSame((await database.query('SELECT a FROM kept')).rows, [{ a: 1 }])
})

test('a COMMIT that the server answers with a rollback is an error', needsServices, async (t) => {
  const database = await open(t)
  await t.rejects(database.transaction(async (client) => {
    await client.query('INSERT INTO kept VALUES (3)')
    await client.query('INSERT INTO kept VALUES (3)').catch(() => {})
  }), { code: 'TRANSACTION_NOT_COMMITTED' })
  t.strictSame((await database.query('SELECT a FROM kept')).rows, [])
})

test('a signal that aborts before the commit rolls back', needsServices, async (t) => {
  const database = await open(t)
  const stop = new AbortController()
  await t.rejects(database.transaction(async (client) => {
    await client.query('INSERT INTO kept VALUES (4)')
    stop.abort(new Error('stopping'))
  }, stop.signal), /stopping/)
  t.strictSame((await database.query('SELECT a FROM kept')).rows, [])
})

test('a statement has a deadline, and the pool is whole after it', needsServices, async (t) => {
  const database = await open(t, { statementTimeoutMs: 200, poolSize: 1 })
  await t.rejects(database.query('SELECT pg_sleep(30)'), { code: '57014' })
  t.strictSame((await database.query('SELECT 1 AS one')).rows, [{ one: 1 }])
})

test('deadlines are set on the server, and times are UTC', needsServices, async (t) => {
  const database = await open(t, { applicationName: 'pulsegate test of settings' })
  const { rows } = await database.query(`SELECT current_setting('statement_timeout') AS statement, current_setting('lock_timeout') AS lock,
    current_setting('idle_in_transaction_session_timeout') AS idle, current_setting('TimeZone') AS zone, current_setting('application_name') AS name`)
  t.strictSame(rows, [{ statement: '30s', lock: '10s', idle: '10s', zone: 'UTC', name: 'pulsegate test of settings' }])
})

test('a client killed between two statements ends neither the process nor the pool', needsServices, async (t) => {
  const database = await open(t, { poolSize: 2 })
  await t.rejects(database.withClient(async (client) => {
    const { rows } = await client.query<{ pid: number }>('SELECT pg_backend_pid() AS pid')
    await database.query('SELECT pg_terminate_backend($1)', [rows[0]?.pid])
    await client.query('SELECT 1')
  }))
  t.strictSame((await database.query('SELECT 1 AS one')).rows, [{ one: 1 }])
})

test('a pool outlives its server: killed, frozen, and back', { ...needsServices, timeout: 120_000 }, async (t) => {
  const server = await ownServer(t)
  const database = openDatabase(server.url, { statementTimeoutMs: 500 })
  t.teardown(() => database.close())
  t.equal(await database.edition(), 'timescaledb-apache')
  await server.kill()
  await t.rejects(database.query('SELECT 1'))
  await server.start()
  t.strictSame((await database.query('SELECT 1 AS one')).rows, [{ one: 1 }])
  await server.freeze()
  await t.rejects(database.query('SELECT 1'), /timeout/, 'a server that says nothing is given up')
  await server.thaw()
  t.strictSame((await database.query('SELECT 1 AS one')).rows, [{ one: 1 }])
})
