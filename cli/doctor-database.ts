// What doctor looks at in the database: does it answer, what kind is it, is its schema this program's. Without a DATABASE_URL:
// could the embedded one be started. Reads only.
import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { openDatabase, type Database } from '../ingest/database.ts'
import { findBinaries } from '../ingest/embedded/binaries.ts'
import { planMigrations, readMigrations, type Applied } from '../ingest/migrations.ts'
import { describeError, PulsegateError } from '../runtime/errors.ts'
import { type DoctorConfig, type Finding } from './doctor-finding.ts'

export async function checkDatabase ({ databaseUrl, data, pgBin }: DoctorConfig): Promise<Finding[]> {
  if (databaseUrl === undefined) return [await checkEmbedded(join(data, 'postgres'), pgBin)]
  const database = openDatabase(databaseUrl, { applicationName: 'pulsegate doctor', poolSize: 1, statementTimeoutMs: 10_000 })
  try {
    const edition = await database.edition()
    const { rows } = await database.query<{ version: string, migrated: boolean }>(
      "SELECT current_setting('server_version') AS version, to_regclass('public.schema_migration') IS NOT NULL AS migrated")
    const found: Finding = {
      name: 'database',
      status: 'ok',
      detail: `PostgreSQL ${rows[0]?.version}, ${edition === 'plain' ? 'without TimescaleDB' : edition}`
    }
    return [found, await checkMigrations(database, rows[0]?.migrated === true)]
  } catch (error) {
    if (error instanceof PulsegateError) return [{ name: 'database', status: 'fail', detail: error.message, todo: error.entry.remedy }]
    return [{ name: 'database', status: 'fail', detail: describeError(error).replace(/^Unexpected: /, ''), todo: 'check DATABASE_URL, and that the server runs and lets this machine in' }]
  } finally {
    await database.close()
  }
}

async function checkMigrations (database: Database, migrated: boolean): Promise<Finding> {
  const name = 'schema'
  const applied = migrated ? (await database.query<Applied>('SELECT number, name, checksum FROM schema_migration ORDER BY number')).rows : []
  const { pending, ahead } = planMigrations(await readMigrations(), applied)
  if (ahead.length > 0) return { name, status: 'warn', detail: `a newer Pulsegate has migrated it (${ahead.join(', ')})`, todo: 'update this program' }
  if (pending.length === 0) return { name, status: 'ok', detail: `all ${applied.length} migrations applied` }
  return { name, status: 'warn', detail: `${pending.length} of ${applied.length + pending.length} migrations not applied yet`, todo: '`pulsegate up` applies them by itself; otherwise run `pulsegate migrate`' }
}

async function checkEmbedded (directory: string, pgBin: string | undefined): Promise<Finding> {
  const name = 'database'
  try {
    const { name: programs } = await findBinaries({ pgBin })
    const made = await stat(join(directory, 'password')).then(() => true, () => false)
    return { name, status: 'ok', detail: `embedded PostgreSQL (${programs}) in ${directory}${made ? '' : ', made at the first start'}` }
  } catch (error) {
    if (!(error instanceof PulsegateError)) throw error
    return { name, status: 'fail', detail: error.message, todo: error.entry.remedy }
  }
}
