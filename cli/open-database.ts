// The database of a command that looks or mends: DATABASE_URL when given, else the embedded one of a Pulsegate that is running in
// the data folder. Takes a commander command, gives the work an open database and closes it afterwards.
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type Command } from 'commander'
import { type Database, openDatabase } from '../ingest/database.ts'
import { describeFault } from '../ingest/sqlstate.ts'
import { databaseName, databaseUser } from '../ingest/embedded/cluster.ts'
import { PulsegateError } from '../runtime/errors.ts'
import { addSettings, configOf } from './options.ts'

const names = ['databaseUrl', 'data'] as const

/** Adds the flags that `withDatabase` reads. */
export function addDatabaseOptions (command: Command): Command {
  return addSettings(command, names)
}

/** Runs `work` on the database that `command` names. Errors: CONFIG_INVALID when none is named and none was ever there, DATABASE_UNREACHABLE, DATABASE_TLS_REFUSED. */
export async function withDatabase<T> (command: Command, work: (database: Database) => Promise<T>): Promise<T> {
  const { databaseUrl, data } = configOf(command, names)
  const database = openDatabase(databaseUrl ?? await embeddedUrl(join(data, 'postgres')), { applicationName: `pulsegate ${command.name()}`, poolSize: 2 })
  try {
    await database.query('SELECT 1').catch((cause: Error) => {
      if (cause instanceof PulsegateError) throw cause
      const remedy = databaseUrl === undefined ? `: no \`pulsegate up\` runs with the data folder ${data}; start it, or give --database-url` : ''
      throw new PulsegateError('DATABASE_UNREACHABLE', `cannot connect to the database (${describeFault(cause)})${remedy}`, { cause })
    })
    return await work(database)
  } finally {
    await database.close()
  }
}

async function embeddedUrl (directory: string): Promise<string> {
  try {
    const [port, password] = await Promise.all(['port', 'password'].map(async (name) => (await readFile(join(directory, name), 'utf8')).trim()))
    return `postgres://${databaseUser}:${password}@127.0.0.1:${port}/${databaseName}`
  } catch (cause) {
    throw new PulsegateError('CONFIG_INVALID', `which database? Give --database-url or DATABASE_URL, or --data with the folder of a running \`pulsegate up\` (none in ${directory})`, { cause })
  }
}
