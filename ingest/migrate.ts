// Brings a database to this program's schema: numbered files in order, each in its own transaction with its row in
// schema_migration, under one advisory lock, so that several processes may start at once. Rights and the metric registry
// are applied again every time. Promises to end: every wait has a deadline. Never changes what a newer program has made.
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import pg from 'pg'
import { PulsegateError } from '../runtime/errors.ts'
import { type Logger } from '../runtime/observability.ts'
import { startupOf } from './database.ts'
import { explainTls } from './database-tls.ts'
import { detectEdition, type Edition, type Storage } from './edition.ts'
import { type Applied, type Migration, planMigrations, readMigrations, sqlDirectory, textFor } from './migrations.ts'
import { copyMetrics } from './metrics.ts'

export interface MigrateOptions {
  readonly log?: Logger
  /** For the whole of it, waiting for another process included; default 5 minutes. */
  readonly deadlineMs?: number
  /** Where the files lie; tests only. */
  readonly directory?: string
}

export interface MigrateResult {
  /** Names of what was applied now, in order. */
  readonly applied: string[]
  readonly edition: Edition
  /** Names of migrations in the database that this program does not know: a newer version has been here. */
  readonly ahead: string[]
}

// ours alone among the users of the server's advisory locks: "PG" and a number
const lockKey = 7_040_001
const lockPollMs = 200

/**
 * Errors: DATABASE_UNREACHABLE, DATABASE_TLS_REFUSED, DATABASE_UNSUITABLE (version, encoding, missing extension), MIGRATION_BUSY (another process
 * held the lock until the deadline), MIGRATION_CHANGED, MIGRATION_FAILED (names the file and the SQLSTATE).
 */
export async function migrate (url: string, options: MigrateOptions = {}): Promise<MigrateResult> {
  const { log, deadlineMs = 300_000, directory = sqlDirectory() } = options
  const until = Date.now() + deadlineMs
  const { connectionString, ssl } = startupOf(url)
  const client = new pg.Client({
    connectionString,
    ssl,
    application_name: 'pulsegate migrate',
    connectionTimeoutMillis: Math.min(deadlineMs, 10_000),
    statement_timeout: deadlineMs,
    query_timeout: deadlineMs + 5_000,
    // rather fail and be run again than queue behind a reader and hold up every writer
    lock_timeout: 10_000,
    keepAlive: true,
    options: '-c TimeZone=UTC -c search_path=public'
  })
  client.on('error', () => {}) // the query in flight rejects; without a listener the process would end
  client.on('notice', (notice) => { if (notice.severity === 'WARNING') log?.warn(notice.message ?? 'warning from the database') })
  try {
    await client.connect()
  } catch (error) {
    await client.end().catch(() => {})
    const explained = explainTls(error)
    if (explained instanceof PulsegateError) throw explained
    throw new PulsegateError('DATABASE_UNREACHABLE', `cannot connect to the database: ${(error as Error).message}`, { cause: error })
  }
  try {
    await checkServer(client)
    await lock(client, until, log)
    return await applyAll(client, directory, log)
  } finally {
    // ends the session, and the lock with it
    await client.end().catch(() => {})
  }
}

async function checkServer (client: pg.Client): Promise<void> {
  const { rows } = await client.query<{ version: number, encoding: string }>(`
    SELECT current_setting('server_version_num')::int AS version, current_setting('server_encoding') AS encoding`)
  const found = rows[0]
  // 15: the oldest that is tested against; multiranges need 14
  if (found === undefined || found.version < 150_000) throw new PulsegateError('DATABASE_UNSUITABLE', `PostgreSQL 15 or newer is needed; this server says ${found?.version}`)
  if (found.encoding !== 'UTF8') throw new PulsegateError('DATABASE_UNSUITABLE', `the database must be made with ENCODING 'UTF8'; this one is ${found.encoding}`)
}

async function lock (client: pg.Client, until: number, log?: Logger): Promise<void> {
  for (let first = true; ; first = false) {
    const { rows } = await client.query<{ locked: boolean }>('SELECT pg_try_advisory_lock($1) AS locked', [lockKey])
    if (rows[0]?.locked === true) return
    if (Date.now() >= until) throw new PulsegateError('MIGRATION_BUSY', 'another process has been migrating this database for the whole of the time allowed')
    if (first) log?.info('another process is migrating this database; waiting')
    await delay(lockPollMs)
  }
}

async function applyAll (client: pg.Client, directory: string, log?: Logger): Promise<MigrateResult> {
  const { edition, storage } = await detectEdition(client)
  await client.query(`CREATE TABLE IF NOT EXISTS schema_migration (
    number int4 PRIMARY KEY, name text NOT NULL, checksum text NOT NULL, storage text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())`)
  const { rows } = await client.query<Applied>('SELECT number, name, checksum FROM schema_migration ORDER BY number')
  const { pending, ahead } = planMigrations(await readMigrations(directory), rows)
  for (const [index, migration] of pending.entries()) {
    const startedMs = Date.now()
    await apply(client, migration, storage)
    log?.info({ migration: migration.name, of: pending.length, done: index + 1, ms: Date.now() - startedMs }, 'migration applied')
  }
  if (ahead.length > 0) {
    log?.warn({ ahead }, 'the database has been migrated by a newer version; this one runs on it as it is')
  } else {
    await upkeep(client, directory, storage)
    if (edition === 'timescaledb') await useColumnstore(client, log)
  }
  return { applied: pending.map((migration) => migration.name), edition, ahead }
}

async function apply (client: pg.Client, migration: Migration, storage: Storage): Promise<void> {
  const text = textFor(migration.text, storage)
  const statements = async () => {
    await client.query(text)
    await client.query('INSERT INTO schema_migration (number, name, checksum, storage) VALUES ($1, $2, $3, $4)',
      [migration.number, migration.name, migration.checksum, storage])
  }
  await inTransaction(client, `${migration.name}.sql`, text, statements, migration.inTransaction)
}

/** `text` is what `statements` runs, to turn an error's position into a line. */
async function inTransaction (client: pg.Client, file: string, text: string, statements: () => Promise<void>, really = true): Promise<void> {
  try {
    if (really) await client.query('BEGIN')
    await statements()
    if (really) await client.query('COMMIT')
  } catch (error) {
    await client.query('ROLLBACK').catch(() => {})
    const { code, message, position } = error as { code?: string, message: string, position?: string }
    const line = position === undefined ? '' : ` at line ${text.slice(0, Number(position)).split('\n').length}`
    throw new PulsegateError('MIGRATION_FAILED', `schemas/sql/${file} failed${line}: ${message} (SQLSTATE ${code ?? 'none'}); nothing of it was applied`, { cause: error })
  }
}

/** What is brought up to date at every migrate: rights, the metric registry, partitions for today and tomorrow. */
async function upkeep (client: pg.Client, directory: string, storage: Storage): Promise<void> {
  const text = textFor(await readFile(join(directory, 'grants.sql'), 'utf8'), storage)
  await inTransaction(client, 'grants.sql', text, async () => {
    await client.query(text)
    await copyMetrics(client)
    await client.query("SELECT ensure_partitions(now() - INTERVAL '1 day', now() + INTERVAL '1 day')")
  })
}

async function useColumnstore (client: pg.Client, log?: Logger): Promise<void> {
  const { rows } = await client.query<{ used: boolean }>('SELECT use_columnstore() AS used')
  if (rows[0]?.used !== true) log?.warn('this TimescaleDB says it has the columnstore, but refuses to use it; old days stay in rows')
}
