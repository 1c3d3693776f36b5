import { test, type Test } from 'tap'
import { chmod, mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { migrate } from '../../../ingest/migrate.ts'
import { postgresServer, type PostgresServerOptions } from '../../../proof/parts/postgres-server.ts'
import { quietObservability } from '../../../runtime/observability.ts'
import { sleep } from '../../../runtime/retry.ts'
import { servicesDirectory } from '../../services/directory.ts'
import { unpackTimescale } from '../../services/server.ts'
import { needsServices } from '../../services/skip.ts'

const { log } = quietObservability()

async function server (t: Test, options: Partial<PostgresServerOptions> = {}) {
  const directory = await mkdtemp(join(tmpdir(), 'pulsegate-parts-'))
  await chmod(directory, 0o755) // as root the server runs as another user
  const postgres = postgresServer({ directory, log, ...options })
  t.teardown(async () => {
    await postgres.thaw()
    await postgres.kill()
    await rm(directory, { recursive: true, force: true })
  })
  return postgres
}

async function ask<R extends pg.QueryResultRow> (url: string, sql: string): Promise<R[]> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 20_000, query_timeout: 20_000 })
  client.on('error', () => {})
  await client.connect()
  try {
    return (await client.query<R>(sql)).rows
  } finally {
    await client.end().catch(() => {})
  }
}

/** Processes whose command line names `folder`. */
async function processesOn (folder: string): Promise<number> {
  let count = 0
  for (const pid of await readdir('/proc')) {
    if (/^\d+$/.test(pid) && (await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')).includes(folder)) count += 1
  }
  return count
}

test('what was committed outlives a kill, at the same address, and no process stays behind', async (t) => {
  const postgres = await server(t, { settings: { max_connections: 33, fsync: 'off' } })
  t.throws(() => postgres.url, /not been started/)
  t.equal(await postgres.residentBytes(), null)
  await postgres.start()
  const { url, dataDirectory } = postgres
  t.equal(postgres.timescale, false, 'the embedded programs do not bring it')
  t.same(await ask(url, "SELECT current_setting('max_connections') AS most, current_setting('fsync') AS fsync"), [{ most: '33', fsync: 'on' }])
  t.ok((await postgres.residentBytes() ?? 0) > 10_000_000)
  await ask(url, 'CREATE TABLE kept AS SELECT 42 AS answer')
  const held = new pg.Client({ connectionString: url })
  held.on('error', () => {})
  await held.connect()
  t.teardown(() => held.end().catch(() => {}))
  const hanging = held.query('SELECT pg_sleep(600)').then(() => 'answered', () => 'broken off')
  await postgres.kill()
  t.equal(postgres.running, false)
  t.equal(await processesOn(dataDirectory), 0)
  t.equal(await hanging, 'broken off')
  await t.rejects(ask(url, 'SELECT 1'))
  await postgres.start()
  t.equal(postgres.url, url)
  t.same(await ask(url, 'SELECT answer FROM kept'), [{ answer: 42 }])
  await postgres.stop()
  t.equal(postgres.running, false)
  await postgres.start()
  t.same(await ask(url, 'SELECT answer FROM kept'), [{ answer: 42 }])
})

test('frozen, each of its processes stands still: live sessions too; then they go on', async (t) => {
  const postgres = await server(t)
  await postgres.start()
  const client = new pg.Client({ connectionString: postgres.url })
  await client.connect()
  t.teardown(() => client.end().catch(() => {}))
  await postgres.freeze()
  t.equal(postgres.running, true)
  let answered = false
  const waiting = client.query('SELECT 1').then(() => { answered = true })
  await sleep(150)
  t.equal(answered, false)
  await postgres.thaw()
  await waiting
  t.equal(answered, true)
  client.on('error', () => {}) // its session ends with the server
  await postgres.freeze()
  await postgres.stop()
  t.equal(postgres.running, false, 'one that is frozen stops in order')
})

test('a start that is under way can be broken off, and done again', async (t) => {
  const postgres = await server(t)
  await postgres.start()
  await postgres.kill()
  const starting = postgres.start().then(() => 'up', () => 'broken off')
  await postgres.kill()
  t.equal(await starting, 'broken off')
  t.equal(postgres.running, false)
  await postgres.start()
  t.same(await ask(postgres.url, 'SELECT 1 AS one'), [{ one: 1 }])
})

test('with programs that bring TimescaleDB the database has it', needsServices, async (t) => {
  await unpackTimescale()
  const postgres = await server(t, { pgBin: join(servicesDirectory(), 'trixie-timescaledb/usr/lib/postgresql/17/bin') })
  await postgres.start()
  t.equal(postgres.timescale, true)
  await migrate(postgres.url)
  t.same(await ask(postgres.url, 'SELECT DISTINCT storage FROM schema_migration'), [{ storage: 'hypertable' }])
  t.same(await ask(postgres.url, "SELECT current_setting('timescaledb.license') AS license"), [{ license: 'apache' }])
  await postgres.kill()
  await postgres.start()
  t.match(await ask(postgres.url, "SELECT count(*)::int AS tables FROM timescaledb_information.hypertables WHERE hypertable_name IN ('sample', 'wave', 'receipt')"), [{ tables: 3 }])
})
