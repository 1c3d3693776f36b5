// `pulsegate migrate`: brings a database to this version's schema and says what it did.
import { Command } from 'commander'
import { schemaMigrated } from '../ingest/audit/events.ts'
import { openChainedLog } from '../ingest/audit/log.ts'
import { openDatabase } from '../ingest/database.ts'
import { migrate } from '../ingest/migrate.ts'
import { describeError, PulsegateError } from '../runtime/errors.ts'
import { quietObservability } from '../runtime/observability.ts'
import { createLogger } from '../runtime/log.ts'
import { operatorAgent } from './actor.ts'
import { addSettings, configOf } from './options.ts'

const names = ['databaseUrl', 'logLevel'] as const

export function migrateCommand (): Command {
  return addSettings(new Command('migrate'), names)
    .description('Bring the database to this version\'s schema (safe to run again, and by several processes at once).')
    .option('--json', 'print the result as one JSON line')
    .addHelpText('after', '\nExample:\n  DATABASE_URL=postgres://owner@db/pulsegate pulsegate migrate')
    .action(async (options: { json?: true }, command: Command) => {
      const { databaseUrl, logLevel } = configOf(command, names)
      if (databaseUrl === undefined) {
        throw new PulsegateError('CONFIG_INVALID', 'which database? Give --database-url or DATABASE_URL (a login that owns the database)')
      }
      const { applied, edition, ahead } = await migrate(databaseUrl, { log: createLogger({ level: logLevel }) })
      if (applied.length > 0) await recordMigration(databaseUrl, applied, edition)
      if (options.json) {
        process.stdout.write(JSON.stringify({ applied, edition, ahead }) + '\n')
        return
      }
      for (const name of applied) process.stdout.write(`applied ${name}\n`)
      if (applied.length === 0) process.stdout.write('nothing to apply: the database is up to date\n')
      for (const name of ahead) process.stdout.write(`made by a newer version, left alone: ${name}\n`)
      process.stdout.write(`edition: ${edition}\n`)
    })
}

/** The schema is there by now, recorded or not: that it could not be is said, and is no reason to fail. */
async function recordMigration (databaseUrl: string, applied: readonly string[], edition: string): Promise<void> {
  const database = openDatabase(databaseUrl, { applicationName: 'pulsegate migrate', poolSize: 1 })
  const audit = openChainedLog({ database, agent: operatorAgent(), observability: quietObservability() })
  try {
    await audit.recordNow(schemaMigrated(operatorAgent(), applied, edition))
  } catch (error) {
    process.stderr.write(`pulsegate: ${describeError(error)}\n`)
  } finally {
    await audit.close()
    await database.close()
  }
}
