import { test, type Test } from 'tap'
import { readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import pg from 'pg'
import { startEmbedded } from '../../../ingest/embedded/embedded.ts'
import { serverAccount } from '../../../ingest/embedded/account.ts'
import { quietObservability } from '../../../runtime/observability.ts'
import { testFolder } from '../../fixtures/folder.ts'
import { sleep } from '../../../runtime/retry.ts'

const { log } = quietObservability()
const start = async (t: Test, directory: string) => {
  const embedded = await startEmbedded({ directory, log })
  let closed: Promise<void> | undefined
  const close = () => { closed ??= embedded.close(); return closed }
  t.teardown(close)
  return { embedded, close }
}

async function query<R extends pg.QueryResultRow> (url: string, sql: string): Promise<R[]> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 5_000 })
  client.on('error', () => {})
  await client.connect()
  try {
    return (await client.query<R>(sql)).rows
  } finally {
    await client.end()
  }
}

test('a second start finds the data of the first, on the same port', async (t) => {
  const directory = join(testFolder(t), 'not', 'there', 'yet')
  const first = await start(t, directory)
  await query(first.embedded.url, 'CREATE TABLE kept AS SELECT 42 AS answer')
  await first.close()
  await t.rejects(query(first.embedded.url, 'SELECT 1'), 'it is really stopped')
  const second = await start(t, directory)
  t.same(await query(second.embedded.url, 'SELECT answer FROM kept'), [{ answer: 42 }])
  t.equal(second.embedded.url, first.embedded.url)
})

test('what PUBACK stands on is on, and only the holder of the password gets in, from this machine', async (t) => {
  const directory = testFolder(t)
  const { embedded } = await start(t, directory)
  const [settings] = await query(embedded.url, `SELECT current_setting('fsync') AS fsync, current_setting('synchronous_commit') AS synchronous_commit,
    current_setting('full_page_writes') AS full_page_writes, current_setting('data_checksums') AS data_checksums,
    current_setting('listen_addresses') AS listen_addresses, current_setting('server_encoding') AS encoding`)
  t.same(settings, { fsync: 'on', synchronous_commit: 'on', full_page_writes: 'on', data_checksums: 'on', listen_addresses: '127.0.0.1', encoding: 'UTF8' })
  await t.rejects(query(embedded.url.replace(/:[^:@]+@/, ':wrong@'), 'SELECT 1'), { code: '28P01' })
  t.equal(statSync(join(directory, 'password')).mode & 0o777, 0o600)
  t.equal(statSync(join(directory, 'server.log')).mode & 0o777, 0o600)
  t.equal(statSync(embedded.directory).uid, serverAccount()?.uid ?? process.getuid?.(), 'root does not own it; a plain user does')
})

test('the server log holds no value of a failed statement', async (t) => {
  const directory = testFolder(t)
  const { embedded } = await start(t, directory)
  await query(embedded.url, 'CREATE TABLE one (v text UNIQUE)')
  await query(embedded.url, "INSERT INTO one VALUES ('c4n4ry')")
  await t.rejects(query(embedded.url, "INSERT INTO one VALUES ('c4n4ry')"), { code: '23505' })
  await t.rejects(query(embedded.url, "SELECT no_such_function('c4n4ry')"))
  t.notMatch(readFileSync(join(directory, 'server.log'), 'utf8'), 'c4n4ry')
})

test('a second Pulsegate on the same folder is refused', async (t) => {
  const directory = testFolder(t)
  const { embedded } = await start(t, directory)
  await t.rejects(startEmbedded({ directory, log }), { code: 'EMBEDDED_IN_USE', message: new RegExp(`process ${process.pid}`) })
  t.same(await query(embedded.url, 'SELECT 1 AS alive'), [{ alive: 1 }], 'the first is not disturbed')
})

test('a server that is killed comes back on the same port with what was committed [C16]', async (t) => {
  const { embedded } = await start(t, testFolder(t))
  await query(embedded.url, 'CREATE TABLE kept AS SELECT 42 AS answer')
  const killed = embedded.pid
  process.kill(killed, 'SIGKILL')
  for (;;) {
    const rows = await query(embedded.url, 'SELECT answer FROM kept').catch(() => null)
    if (rows && embedded.pid !== killed) { t.same(rows, [{ answer: 42 }]); break }
    await sleep(50)
  }
})

test('a folder from before', async (t) => {
  const directory = testFolder(t)
  const { embedded: { directory: data, url }, close } = await start(t, directory)
  await close()

  await t.test('a postmaster.pid left behind is no hindrance, even when its pid is somebody else\'s now', async (t) => {
    writeFileSync(join(data, 'postmaster.pid'), `${process.pid}\n${data}\n`)
    const { embedded } = await start(t, directory)
    t.same(await query(embedded.url, 'SELECT 1 AS alive'), [{ alive: 1 }])
    t.equal(embedded.url, url)
  })

  await t.test('a start that is called off leaves nothing running and nothing locked', async (t) => {
    await t.rejects(startEmbedded({ directory, log, signal: AbortSignal.abort() }))
    const { embedded } = await start(t, directory)
    t.ok(embedded.pid > 0)
  })

  await t.test('a server that cannot start says why', async (t) => {
    writeFileSync(join(data, 'postgresql.auto.conf'), 'no_such_setting = 1\n')
    await t.rejects(startEmbedded({ directory, log }), { code: 'EMBEDDED_START_FAILED', message: /no_such_setting/ })
  })

  await t.test('a database of another major version is left alone', async (t) => {
    writeFileSync(join(data, 'PG_VERSION'), '12\n')
    await t.rejects(startEmbedded({ directory, log }), { code: 'EMBEDDED_VERSION', message: /PostgreSQL 12, but this is PostgreSQL \d+/ })
  })
})

test('a folder that holds something else is left alone', async (t) => {
  const directory = testFolder(t, { data: { 'thesis.txt': 'years of work' } })
  await t.rejects(startEmbedded({ directory, log }), { code: 'EMBEDDED_FOLDER' })
  t.equal(readFileSync(join(directory, 'data', 'thesis.txt'), 'utf8'), 'years of work')
})
