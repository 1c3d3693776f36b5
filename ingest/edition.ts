// Which of the three kinds of database this is, from the extension and its licence, never from a version. What a
// database was migrated as is recorded in it and wins: its tables do not change when an extension is added later.
import { PulsegateError } from '../runtime/errors.ts'

/** plain: PostgreSQL alone. timescaledb-apache: TimescaleDB without its licensed features. timescaledb: with them. */
export type Edition = 'plain' | 'timescaledb-apache' | 'timescaledb'

/** How sample, wave and receipt are cut into days: by PostgreSQL's own partitions or as hypertables. */
export type Storage = 'plain' | 'hypertable'

interface Queryable {
  query (text: string): Promise<{ rows: unknown[] }>
}

interface Found {
  extension: boolean
  license: string | null
  recorded: Storage | null
}

/** Asks the database; `storage` is what it was migrated as, or what a first migration would make it. */
export async function detectEdition (client: Queryable): Promise<{ edition: Edition, storage: Storage }> {
  const { rows } = await client.query(`
    SELECT EXISTS (SELECT FROM pg_extension WHERE extname = 'timescaledb') AS extension,
      current_setting('timescaledb.license', true) AS license,
      to_regclass('public.schema_migration') IS NOT NULL AS migrated`)
  const found = rows[0] as { extension: boolean, license: string | null, migrated: boolean }
  let recorded: Storage | null = null
  if (found.migrated) {
    const storages = await client.query('SELECT storage FROM public.schema_migration ORDER BY number DESC LIMIT 1')
    recorded = (storages.rows[0] as { storage: Storage } | undefined)?.storage ?? null
  }
  return decideEdition({ extension: found.extension, license: found.license, recorded })
}

/** The decision apart from the asking. Error DATABASE_UNSUITABLE: made as hypertables, but the extension is gone. */
export function decideEdition ({ extension, license, recorded }: Found): { edition: Edition, storage: Storage } {
  if (recorded === 'hypertable' && !extension) {
    throw new PulsegateError('DATABASE_UNSUITABLE', 'this database was migrated with TimescaleDB, but the extension is not there: CREATE EXTENSION timescaledb, or restore with it')
  }
  if (!extension || recorded === 'plain') return { edition: 'plain', storage: 'plain' }
  return { edition: license === 'timescale' ? 'timescaledb' : 'timescaledb-apache', storage: 'hypertable' }
}
