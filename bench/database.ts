// A TimescaleDB of the benchmarks' own: Debian's packages as the tests unpack them, its own data folder, every process of it
// pinned to the server core, durable (fsync and synchronous_commit stay on). Each run gets a fresh migrated database.
import { execFile } from 'node:child_process'
import { mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import pg from 'pg'
import { servicesDirectory } from '../test/services/directory.ts'
import { temporaryDatabase, withDatabase } from '../test/services/timescaledb.ts'
import { serverCore } from './pinned.ts'
import { projectDirectory } from './places.ts'

const run = promisify(execFile)
const script = join(projectDirectory, 'test', 'services', 'timescaledb.sh')

// One checkpoint in the middle of one side's round would decide the ratio; the rest is PostgreSQL's default but for
// shared_buffers, which stands at a laptop's 128 MB otherwise.
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

export async function startDatabase (): Promise<BenchServer> {
  const services = servicesDirectory()
  const directory = join(services, 'bench')
  mkdirSync(directory, { recursive: true, mode: 0o755 })
  const dist = join(services, 'timescaledb', 'dist')
  const env = { ...process.env, TSDB_DIST: dist, TSDB_CONF: settings }
  const shell = async (command: string): Promise<string> => {
    const { stdout } = await run('taskset', ['--cpu-list', String(serverCore), 'bash', script, command, directory], { env, timeout: 600_000 })
    return stdout.trim()
  }
  await shell('stop') // one that an interrupted run left behind
  const admin = withDatabase(await shell('start'), 'postgres')
  await mustBeDurable(admin)
  process.env['TEST_DATABASE_URL'] = admin // makes test/services clone databases in this server
  return {
    pid: parseInt(readFileSync(join(directory, 'data', 'postmaster.pid'), 'latin1'), 10),
    psql: join(dist, 'usr', 'lib', 'postgresql', '17', 'bin', 'psql'),
    async withDatabase (body) {
      const teardowns: Array<() => Promise<void> | void> = []
      const { url } = await temporaryDatabase({ teardown: (fn) => { teardowns.push(fn) } })
      try {
        return await body(url)
      } finally {
        for (const teardown of teardowns) await teardown()
      }
    },
    stop: async () => { await shell('stop') }
  }
}
