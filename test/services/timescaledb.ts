// A real TimescaleDB for tests: one server shared by all test files (timescaledb.sh unpacks and starts it once), in it a
// migrated template, and a database of its own for every test that asks, cloned from the template in milliseconds.
// TEST_DATABASE_URL takes the place of the shared server when given: a login there that may create databases.
import { createHash, randomBytes } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import pg from 'pg'
import { type Edition } from '../../ingest/edition.ts'
import { migrate } from '../../ingest/migrate.ts'
import { readMigrations, sqlDirectory } from '../../ingest/migrations.ts'
import { metrics } from '../../schemas/metrics.ts'
import { processIdentity, servicesDirectory } from './directory.ts'
import { startServer } from './server.ts'

export interface TemporaryDatabase {
  /** Of the owner, a superuser. */
  readonly url: string
  readonly name: string
}

/** What is needed of a tap test. */
export interface Teardown { teardown (fn: () => Promise<void> | void): void }

let server: Promise<string> | undefined

/** The URL of the shared server's `postgres` database; starts it when it is not running. */
export function sharedServer (): Promise<string> {
  server ??= startShared()
  return server
}

async function startShared (): Promise<string> {
  const given = process.env['TEST_DATABASE_URL']
  if (given !== undefined && given !== '') return given
  const url = withDatabase(await startServer(join(servicesDirectory(), 'timescaledb')), 'postgres')
  await withAdmin(url, dropLeftovers)
  return url
}

/** Databases of test processes that were killed. */
async function dropLeftovers (client: pg.Client): Promise<void> {
  const { rows } = await client.query<{ datname: string }>("SELECT datname FROM pg_database WHERE datname LIKE 'pulsegate_test_%'")
  for (const { datname } of rows) {
    const pid = Number(datname.split('_')[2])
    if (await processIdentity(pid) === '') await client.query(`DROP DATABASE IF EXISTS ${datname} WITH (FORCE)`)
  }
}

/** `url` with another database. */
export function withDatabase (url: string, name: string): string {
  const changed = new URL(url)
  changed.pathname = `/${name}`
  return changed.href
}

/**
 * A database of its own for this test, dropped in its teardown. `edition`: 'timescaledb-apache' (default) or 'plain';
 * `migrated: false` gives it empty, with the extension where the edition has one.
 */
export async function temporaryDatabase (
  t: Teardown, { edition = 'timescaledb-apache', migrated = true }: { edition?: Edition, migrated?: boolean } = {}
): Promise<TemporaryDatabase> {
  const admin = await sharedServer()
  const template = await templateFor(admin, edition, migrated)
  const name = `pulsegate_test_${process.pid}_${randomBytes(4).toString('hex')}`
  await withAdmin(admin, (client) => createFrom(client, name, template))
  t.teardown(() => withAdmin(admin, async (client) => {
    await client.query(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`)
  }))
  return { url: withDatabase(admin, name), name }
}

const templates = new Map<string, Promise<string>>()

/** The name of a template for this edition and this state of the SQL files; makes it when it is not there. */
function templateFor (admin: string, edition: Edition, migrated: boolean): Promise<string> {
  const key = `${edition} ${migrated}`
  const known = templates.get(key) ?? makeTemplate(admin, edition, migrated)
  templates.set(key, known)
  return known
}

async function makeTemplate (admin: string, edition: Edition, migrated: boolean): Promise<string> {
  const state = createHash('sha256').update(JSON.stringify([migrated, await readMigrations(), metrics]))
    .update(await readFile(join(sqlDirectory(), 'grants.sql'))).digest('hex').slice(0, 12)
  const name = `pulsegate_template_${edition.replace('-', '_')}_${migrated ? state : 'empty'}`
  await withAdmin(admin, async (client) => {
    // one test process makes it, the others wait here; the lock goes with the connection
    await client.query('SELECT pg_advisory_lock(7041000)')
    const { rowCount } = await client.query('SELECT FROM pg_database WHERE datname = $1', [name])
    if (rowCount === 1) return
    // made under another name: one that was left half done must not be taken for a template
    const making = `${name}_making`
    await client.query(`DROP DATABASE IF EXISTS ${making} WITH (FORCE)`)
    await createFrom(client, making, 'template0')
    if (edition !== 'plain') await withAdmin(withDatabase(admin, making), async (inside) => { await inside.query('CREATE EXTENSION IF NOT EXISTS timescaledb') })
    if (migrated) await migrate(withDatabase(admin, making))
    // nobody may be connected to a database that is cloned, TimescaleDB's own workers included
    await client.query(`ALTER DATABASE ${making} WITH ALLOW_CONNECTIONS false`)
    await client.query('SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1', [making])
    await client.query(`ALTER DATABASE ${making} RENAME TO ${name}`)
  })
  return name
}

async function createFrom (client: pg.Client, name: string, template: string): Promise<void> {
  // 55006 object_in_use: another clone of the same template is being made this instant
  for (let attempt = 1; ; attempt++) {
    try {
      await client.query(`CREATE DATABASE ${name} TEMPLATE ${template}${template === 'template0' ? " ENCODING 'UTF8'" : ''}`)
      return
    } catch (error) {
      if ((error as { code?: string }).code !== '55006' || attempt === 50) throw error
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
  }
}

async function withAdmin<T> (url: string, fn: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: url, application_name: 'pulsegate tests', connectionTimeoutMillis: 10_000, query_timeout: 120_000, options: '-c client_min_messages=warning' })
  client.on('error', () => {})
  await client.connect()
  try {
    return await fn(client)
  } finally {
    await client.end()
  }
}
