// The embedded database: a real PostgreSQL as our child, in a folder of ours, for those who bring no DATABASE_URL. Steps:
// programs, account, place, lock, orphan, cluster, start, database. Everything opened is closed again when a later step fails.
//
// Promise: what is committed is on disk (fsync on); one Pulsegate per folder; the server stops with us, whatever ends us;
// a server that dies under us is started again on the same port.
import { readFile, writeFile } from 'node:fs/promises'
import { createServer, type AddressInfo } from 'node:net'
import { once } from 'node:events'
import { join } from 'node:path'
import pg from 'pg'
import { PulsegateError } from '../../runtime/errors.ts'
import { type Logger } from '../../runtime/observability.ts'
import { serverAccount } from './account.ts'
import { findBinaries } from './binaries.ts'
import { databaseName, databaseUser, prepareCluster } from './cluster.ts'
import { takeLock } from './lock.ts'
import { endOrphan } from './orphan.ts'
import { preparePlace } from './place.ts'
import { keepLogSmall } from './server-log.ts'
import { type ServerOptions } from './server.ts'
import { superviseServer, type Supervised } from './supervise.ts'

export interface EmbeddedOptions {
  /** Folder for the database and what belongs to it; made when absent. */
  readonly directory: string
  readonly log: Logger
  /** Aborts the start. */
  readonly signal?: AbortSignal
  /** PG_BIN: use the PostgreSQL programs of this folder. */
  readonly pgBin?: string | undefined
}

export interface Embedded {
  /** postgres:// URL with the password of the only role. A secret. */
  readonly url: string
  /** Where the cluster really lies. */
  readonly directory: string
  /** The server's process now; it changes when the server had to be started again. */
  readonly pid: number
  readonly port: number
  /** Stops the server (fast, then immediate; `hard` skips the first) and gives the folder free. */
  close (hard?: AbortSignal): Promise<void>
}

/** Starts the embedded database. Throws EMBEDDED_* errors. */
export async function startEmbedded ({ directory: named, log, signal = new AbortController().signal, pgBin }: EmbeddedOptions): Promise<Embedded> {
  const account = serverAccount()
  const place = await preparePlace(named, await findBinaries({ pgBin }), account, log)
  const unlock = await takeLock(place.directory)
  const logFile = join(place.directory, 'server.log')
  const stopRotating = keepLogSmall(logFile)
  try {
    await endOrphan(place.data, log, signal)
    const password = await prepareCluster(place, account, log)
    const portFile = join(place.directory, 'port')
    const options: Omit<ServerOptions, 'port'> = { place, account, password, logFile, signal }
    const server = await startOnFreePort(options, portFile, log)
    await writeFile(portFile, `${server.port}\n`)
    const url = (database: string) => `postgres://${databaseUser}:${password}@127.0.0.1:${server.port}/${database}`
    try {
      await makeDatabase(url('postgres'))
    } catch (cause) {
      await server.close()
      throw new PulsegateError('EMBEDDED_START_FAILED', `the database ${databaseName} could not be made`, { cause })
    }
    log.info({ data: place.data, port: server.port, pid: server.pid }, 'database started')
    return {
      url: url(databaseName),
      directory: place.data,
      port: server.port,
      get pid () { return server.pid },
      close: async (hard) => {
        await server.close(hard)
        stopRotating()
        await unlock()
        log.info({ data: place.data }, 'database stopped')
      }
    }
  } catch (error) {
    stopRotating()
    await unlock()
    throw error
  }
}

/** Somebody may take a port between our look and the server's: then another is chosen. */
async function startOnFreePort (options: Omit<ServerOptions, 'port'>, portFile: string, log: Logger): Promise<Supervised> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await superviseServer(options, await choosePort(portFile), log)
    } catch (error) {
      if (attempt === 3 || !(error instanceof Error) || !error.message.includes('could not bind')) throw error
    }
  }
}

/** The port of last time when it is still free (so that a saved psql command goes on working), else any. */
async function choosePort (portFile: string): Promise<number> {
  const last = Number(await readFile(portFile, 'utf8').catch(() => '0'))
  return (last > 0 ? await freePort(last) : null) ?? await freePort(0) ?? 0
}

async function freePort (port: number): Promise<number | null> {
  const probe = createServer()
  try {
    probe.listen(port, '127.0.0.1')
    await once(probe, 'listening')
    return (probe.address() as AddressInfo).port
  } catch {
    return null
  } finally {
    probe.close()
  }
}

/** Makes the database in a cluster that has none yet; `url`: of another database there. */
export async function makeDatabase (url: string): Promise<void> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 10_000, query_timeout: 30_000 })
  client.on('error', () => {})
  await client.connect()
  try {
    const { rowCount } = await client.query('SELECT FROM pg_database WHERE datname = $1', [databaseName])
    if (rowCount === 0) await client.query(`CREATE DATABASE ${databaseName}`)
  } finally {
    await client.end()
  }
}
