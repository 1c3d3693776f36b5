// The numbered SQL files as data: read, checked, and cut to the storage at hand. A file is written once for all editions;
// lines between `--@ plain` or `--@ hypertable` and `--@ end` count for that storage only. A first line
// `--@ no transaction` marks a file that holds exactly one statement which cannot run inside a transaction.
import { createHash } from 'node:crypto'
import { readFile, readdir } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { PulsegateError } from '../runtime/errors.ts'
import { type Storage } from './edition.ts'

export interface Migration {
  readonly number: number
  /** File name without `.sql`. */
  readonly name: string
  /** Of the whole file, hex SHA-256; line endings do not count. */
  readonly checksum: string
  readonly inTransaction: boolean
  readonly text: string
}

/** A row of the table schema_migration. */
export interface Applied {
  readonly number: number
  readonly name: string
  readonly checksum: string
}

/** Where the SQL files lie, from source and from dist/ alike. */
export function sqlDirectory (): string {
  return dirname(fileURLToPath(import.meta.resolve('#sql/grants.sql')))
}

/** All migrations of this program, by number. */
export async function readMigrations (directory = sqlDirectory()): Promise<Migration[]> {
  const files = (await readdir(directory)).filter((file) => /^\d{4}_\w+\.sql$/.test(file)).sort()
  return Promise.all(files.map(async (file) => {
    const text = (await readFile(join(directory, file), 'utf8')).replaceAll('\r\n', '\n')
    return {
      number: Number(file.slice(0, 4)),
      name: file.slice(0, -'.sql'.length),
      checksum: createHash('sha256').update(text).digest('hex'),
      inTransaction: !text.startsWith('--@ no transaction\n'),
      text
    }
  }))
}

/**
 * Which migrations are still to be applied, in order, and whether the database is ahead of this program (then `ahead`
 * names what we do not know; changes only ever add, so we may run on it). Error MIGRATION_CHANGED: an applied file was edited,
 * or is missing.
 */
export function planMigrations (known: readonly Migration[], applied: readonly Applied[]): { pending: Migration[], ahead: string[] } {
  const latest = known.at(-1)?.number ?? 0
  const done = new Set<number>()
  const ahead: string[] = []
  for (const row of applied) {
    done.add(row.number)
    const file = known.find((migration) => migration.number === row.number)
    if (file === undefined && row.number > latest) ahead.push(row.name)
    else if (file?.checksum !== row.checksum) {
      throw new PulsegateError('MIGRATION_CHANGED', `migration ${row.name} was applied to this database in another form: ${file === undefined ? 'its file is gone' : `schemas/sql/${file.name}.sql has been edited`}; restore the file and put the change in a new one`)
    }
  }
  return { pending: known.filter((migration) => !done.has(migration.number)), ahead }
}

/** The text of a migration for one storage: sections of the other are left out, line numbers kept. */
export function textFor (text: string, storage: Storage): string {
  let section: string | null = null
  return text.split('\n').map((line) => {
    const mark = /^\s*--@ (plain|hypertable|end)\s*$/.exec(line)?.[1]
    if (mark !== undefined) {
      section = mark === 'end' ? null : mark
      return ''
    }
    return section === null || section === storage ? line : ''
  }).join('\n')
}
