// Migrations: repeatable, safe when several processes start at once, and never silent about a change.
import { randomBytes } from 'node:crypto'
import { cp, writeFile, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import pg from 'pg'
import { test, type Test } from 'tap'
import { openDatabase, type Database } from '../../ingest/database.ts'
import { migrate } from '../../ingest/migrate.ts'
import { readMigrations, sqlDirectory } from '../../ingest/migrations.ts'
import { type Logger } from '../../runtime/observability.ts'
import { metrics } from '../../schemas/metrics.ts'
import { needsServices } from '../services/skip.ts'
import { temporaryDatabase, withDatabase } from '../services/timescaledb.ts'

type OurEdition = 'plain' | 'timescaledb-apache'

function open (t: Test, url: string): Database {
  const database = openDatabase(url)
  t.teardown(() => database.close())
  return database
}

/** The SQL files in a folder of the test's own, with more of them. */
async function filesWith (t: Test, more: Record<string, string>): Promise<string> {
  const directory = t.testdir()
  await cp(sqlDirectory(), directory, { recursive: true })
  for (const [name, text] of Object.entries(more)) await writeFile(join(directory, name), text)
  return directory
}

async function changed (t: Test, file: string, edit: (text: string) => string): Promise<string> {
  return filesWith(t, { [file]: edit(await readFile(join(sqlDirectory(), file), 'utf8')) })
}

for (const edition of ['timescaledb-apache', 'plain'] as OurEdition[]) {
  test(`${edition}: a second migrate has nothing to do`, needsServices, async (t) => {
    const { url } = await temporaryDatabase(t, { edition, migrated: false })
    const known = (await readMigrations()).map(({ name }) => name)
    t.strictSame(await migrate(url), { applied: known, edition, ahead: [] })
    t.strictSame(await migrate(url), { applied: [], edition, ahead: [] })
    t.equal(await open(t, url).edition(), edition)
  })

  test(`${edition}: four processes at once migrate once`, needsServices, async (t) => {
    const { url } = await temporaryDatabase(t, { edition, migrated: false })
    const results = await Promise.all([migrate(url), migrate(url), migrate(url), migrate(url)])
    t.equal(results.filter(({ applied }) => applied.length > 0).length, 1)
  })
}

test('the metric registry is in the database, and corrected at every migrate', needsServices, async (t) => {
  const { url } = await temporaryDatabase(t, { edition: 'plain' })
  const database = open(t, url)
  await database.query("UPDATE metric SET unit = 'wrong' WHERE id = 1")
  await migrate(url)
  const { rows } = await database.query('SELECT id, name, unit, exponent FROM metric ORDER BY id')
  t.strictSame(rows, [...metrics].sort((a, b) => a.id - b.id).map(({ id, name, ucum, exponent }) => ({ id, name, unit: ucum, exponent })))
})

test('an applied file that was edited is refused by name', needsServices, async (t) => {
  const { url } = await temporaryDatabase(t, { edition: 'plain' })
  const directory = await changed(t, '0002_readings.sql', (text) => `${text}\n-- one more line\n`)
  await t.rejects(migrate(url, { directory }), { code: 'MIGRATION_CHANGED', message: /0002_readings\.sql has been edited/ })
})

test('line endings of the checkout do not count as an edit', needsServices, async (t) => {
  const { url } = await temporaryDatabase(t, { edition: 'plain' })
  const directory = await changed(t, '0002_readings.sql', (text) => text.replaceAll('\n', '\r\n'))
  t.strictSame((await migrate(url, { directory })).applied, [])
})

test('a migration that fails leaves nothing behind and names its line', needsServices, async (t) => {
  const { url } = await temporaryDatabase(t, { edition: 'plain' })
  const directory = await filesWith(t, { '9000_broken.sql': 'CREATE TABLE half_done (a int);\n\nSELECT nothing_there FROM device;\n' })
  await t.rejects(migrate(url, { directory }), { code: 'MIGRATION_FAILED', message: /9000_broken\.sql failed at line 3.*42703/ })
  const { rows } = await open(t, url).query("SELECT to_regclass('half_done') AS there")
  t.strictSame(rows, [{ there: null }])
})

test('a statement that cannot run in a transaction has a file of its own', needsServices, async (t) => {
  const { url } = await temporaryDatabase(t, { edition: 'plain' })
  const directory = await filesWith(t, { '9000_outside.sql': '--@ no transaction\nCREATE INDEX CONCURRENTLY device_kind ON device (kind);\n' })
  t.strictSame((await migrate(url, { directory })).applied, ['9000_outside'])
  t.strictSame((await migrate(url, { directory })).applied, [])
})

test('an older program runs on a newer schema and touches nothing', needsServices, async (t) => {
  const { url } = await temporaryDatabase(t, { edition: 'plain' })
  const directory = await filesWith(t, { '9000_newer.sql': 'ALTER TABLE device ADD COLUMN later text;\n' })
  await migrate(url, { directory })
  const warnings: unknown[] = []
  const log = { info () {}, warn: (fields: unknown) => { warnings.push(fields) } } as unknown as Logger
  t.match(await migrate(url, { log }), { applied: [], ahead: ['9000_newer'] })
  t.match(warnings, [{ ahead: ['9000_newer'] }])
})

test('a login that owns the database but is no superuser can migrate', needsServices, async (t) => {
  for (const edition of ['timescaledb-apache', 'plain'] as OurEdition[]) {
    const { url, name } = await temporaryDatabase(t, { edition, migrated: false })
    const admin = new pg.Client({ connectionString: url })
    await admin.connect()
    const owner = `pulsegate_test_owner_${randomBytes(4).toString('hex')}`
    const password = randomBytes(12).toString('hex')
    await admin.query(`CREATE ROLE ${owner} LOGIN PASSWORD '${password}'`)
    await admin.query(`ALTER DATABASE ${name} OWNER TO ${owner}`)
    t.teardown(async () => {
      await admin.query(`REASSIGN OWNED BY ${owner} TO CURRENT_USER`)
      await admin.query(`DROP OWNED BY ${owner}`)
      await admin.query(`DROP ROLE ${owner}`)
      await admin.end()
    })
    const own = new URL(url)
    own.username = owner
    own.password = password
    t.equal((await migrate(own.href)).applied.length, (await readMigrations()).length, edition)
    t.strictSame((await migrate(own.href)).applied, [], edition)
    const database = open(t, own.href)
    t.strictSame((await database.query('SELECT ensure_partitions(now(), now()) >= 0 AS made')).rows, [{ made: true }])
  }
})

test('a database that is not there, too old an answer, a busy one: each says so', needsServices, async (t) => {
  const { url } = await temporaryDatabase(t, { edition: 'plain' })
  await t.rejects(migrate(withDatabase(url, 'pulsegate_no_such_database')), { code: 'DATABASE_UNREACHABLE', message: /pulsegate_no_such_database/ })
  await t.rejects(migrate('postgres://nobody@127.0.0.1:9/none'), { code: 'DATABASE_UNREACHABLE' })
  const other = new pg.Client({ connectionString: url })
  await other.connect()
  t.teardown(() => other.end())
  await other.query('SELECT pg_advisory_lock(7040001)')
  await t.rejects(migrate(url, { deadlineMs: 1_000 }), { code: 'MIGRATION_BUSY' })
})

test('the Apache edition is told that it has no columnstore, without harm', needsServices, async (t) => {
  const database = open(t, (await temporaryDatabase(t)).url)
  t.strictSame((await database.query('SELECT use_columnstore() AS used')).rows, [{ used: false }])
})
