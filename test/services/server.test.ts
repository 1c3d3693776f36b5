// The tests' own database server: shared while somebody uses it, gone when nobody does, and nothing left behind.
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, writeFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'
import pg from 'pg'
import { test } from 'tap'
import { servicesDirectory, scriptPath } from './directory.ts'
import { ownServer, releaseServer, startServer } from './server.ts'
import { needsServices } from './skip.ts'
import { temporaryDatabase } from './timescaledb.ts'

const run = promisify(execFile)

async function ask (url: string, text: string): Promise<unknown> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 5_000 })
  client.on('error', () => {})
  await client.connect()
  try {
    return (await client.query(text)).rows
  } finally {
    await client.end()
  }
}

test('each test has a database of its own', needsServices, async (t) => {
  const [one, two] = await Promise.all([temporaryDatabase(t), temporaryDatabase(t)])
  t.not(one.url, two.url)
  await ask(one.url, 'CREATE TABLE mine (a int)')
  t.strictSame(await ask(two.url, "SELECT to_regclass('mine') AS there"), [{ there: null }])
})

test('a server of one’s own is stopped, started and removed', { ...needsServices, timeout: 120_000 }, async (t) => {
  let directory = ''
  await t.test('as a test would', async (t) => {
    const server = await ownServer(t, 'max_connections=17')
    directory = server.directory
    t.strictSame(await ask(server.url, 'SHOW max_connections'), [{ max_connections: '17' }])
    await ask(server.url, 'CREATE TABLE kept (a int)')
    await server.stop()
    await t.rejects(ask(server.url, 'SELECT 1'))
    await server.start()
    t.strictSame(await ask(server.url, 'SELECT count(*)::int AS rows FROM kept'), [{ rows: 0 }], 'same port, same data')
  })
  t.notOk(existsSync(directory), 'its folder is gone')
})

test('a server whose last user has died is stopped', { ...needsServices, timeout: 120_000 }, async (t) => {
  const directory = await mkdtemp(join(servicesDirectory(), 'own-'))
  await run('chmod', ['755', directory])
  t.teardown(async () => {
    if (existsSync(directory)) await run('bash', [scriptPath('timescaledb.sh'), 'stop', directory], { env: { ...process.env, TSDB_DIST: join(servicesDirectory(), 'trixie-timescaledb') } })
    await rm(directory, { recursive: true, force: true, maxRetries: 5 })
  })
  await startServer(directory, { TSDB_GRACE: '2', TSDB_REMOVE: '1' })
  const pidFile = join(directory, 'data', 'postmaster.pid')
  await releaseServer(directory)
  t.ok(existsSync(pidFile), 'this process uses it: release leaves it alone')
  // as if this process had died and its id had gone to another
  await writeFile(join(directory, 'users', String(process.pid)), '1')
  for (let waited = 0; existsSync(directory) && waited < 60_000; waited += 100) await delay(100)
  t.notOk(existsSync(directory), 'stopped, and its folder removed')
})
