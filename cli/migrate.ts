// `pulsegate migrate`: brings a database to this version's schema and says what it did.
import { Command } from 'commander'
import { migrate } from '../ingest/migrate.ts'
import { PulsegateError } from '../runtime/errors.ts'
import { createLogger } from '../runtime/log.ts'
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
