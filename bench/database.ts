// A TimescaleDB of the benchmarks' own: Debian's packages as the tests unpack them, its own data folder, every process of it
// pinned to the server core, durable (fsync and synchronous_commit stay on). Each run gets a fresh migrated database.
import { join } from 'node:path'
import pg from 'pg'
import { servicesDirectory } from '../test/services/directory.ts'
import { ownServer } from '../test/services/server.ts'
import { temporaryDatabase, withDatabase } from '../test/services/timescaledb.ts'
import { descendants } from './cpu.ts'
import { moveToCore, serverCore } from './pinned.ts'

// One checkpoint in the middle of one side's round would decide the ratio; shared_buffers is a small server's, not the
// 128 MB of the default. Everything else is PostgreSQL's default.
const settings = 'max_wal_size=16GB checkpoint_timeout=60min shared_buffers=1GB'

export interface BenchServer {
  /** of the postmaster, the root of the server's process tree */
  readonly pid: number
  /** Path of the `psql` that belongs to it. */
  readonly psql: string
  /** Runs `body` with the URL of a fresh, migrated database, and drops it afterwards. */
  withDatabase<T> (body: (url: string) => Promise<T>): Promise<T>
  stop (): Promise<void>
}

async function mustBeDurable (url: string): Promise<void> {
  await query(url, async (client) => {
    const { rows } = await client.query<{ fsync: string, commit: string }>("SELECT current_setting('fsync') AS fsync, current_setting('synchronous_commit') AS commit")
    if (rows[0]?.fsync !== 'on' || rows[0].commit !== 'on') throw new Error('the database is not durable: fsync and synchronous_commit must be on')
  })
}

/** One connection for `body`. */
export async function query<T> (url: string, body: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: url, application_name: 'pulsegate bench', connectionTimeoutMillis: 10_000, query_timeout: 120_000 })
  await client.connect()
  try {
    return await body(client)
  } finally {
    await client.end()
  }
}

class Teardowns {
  readonly #all: Array<() => Promise<void> | void> = []

  teardown (fn: () => Promise<void> | void): void {
    this.#all.push(fn)
  }

  async run (): Promise<void> {
    for (const fn of this.#all.reverse()) await fn()
  }
}

/** The id of the server's first process, of which all others are children; those inherit its core when they start. */
async function pinServer (url: string): Promise<number> {
  const { rows } = await query(url, async (client) => await client.query<{ text: string }>("SELECT pg_read_file('postmaster.pid') AS text"))
  const pid = parseInt(rows[0]?.text ?? '', 10)
  // the first process first: what it starts from then on is pinned by birth
  for (const one of descendants(pid)) moveToCore(serverCore, one)
  return pid
}

export async function startDatabase (): Promise<BenchServer> {
  const server = new Teardowns()
  const admin = withDatabase((await ownServer(server, settings)).url, 'postgres')
  process.env['TEST_DATABASE_URL'] = admin // makes test/services clone databases in this server
  const pid = await pinServer(admin)
  await mustBeDurable(admin)
  return {
    pid,
    psql: join(servicesDirectory(), 'trixie-timescaledb', 'usr', 'lib', 'postgresql', '17', 'bin', 'psql'),
    async withDatabase (body) {
      const teardowns = new Teardowns()
      try {
        return await body((await temporaryDatabase(teardowns)).url)
      } finally {
        await teardowns.run()
      }
    },
    stop: async () => { await server.run() }
  }
}
