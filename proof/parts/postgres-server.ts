// A PostgreSQL of the proof's own: the programs, cluster and settings of the embedded database (fsync on, always), but nobody
// starts it again by itself, since here it is the proof that kills it. With TimescaleDB where the programs bring it.
import { once } from 'node:events'
import { mkdir, readdir } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import pg from 'pg'
import { serverAccount } from '../../ingest/embedded/account.ts'
import { findBinaries } from '../../ingest/embedded/binaries.ts'
import { databaseName, databaseUser, prepareCluster } from '../../ingest/embedded/cluster.ts'
import { makeDatabase } from '../../ingest/embedded/embedded.ts'
import { takeLock } from '../../ingest/embedded/lock.ts'
import { endOrphan } from '../../ingest/embedded/orphan.ts'
import { preparePlace } from '../../ingest/embedded/place.ts'
import { startServer, type Server, type ServerOptions } from '../../ingest/embedded/server.ts'
import { type Logger } from '../../runtime/observability.ts'
import { killAtExit, treeVerbs } from './child.ts'
import { type Part } from './part.ts'
import { killTree, thawTree } from './process-tree.ts'
import { choosePort } from './port.ts'

export interface PostgresServerOptions {
  /** For the cluster, its password and its log; made when absent. Root: should be a folder that others can enter, else the cluster is kept elsewhere. */
  readonly directory: string
  /** Folder of the programs; default: the embedded ones. */
  readonly pgBin?: string | undefined
  /** Default: one that nobody uses. */
  readonly port?: number
  /** Settings in the place of the embedded database's; fsync and what else a PUBACK stands on cannot be changed. */
  readonly settings?: Readonly<Record<string, string | number>>
  readonly log: Logger
  /** Default 'postgres'. */
  readonly name?: string
}

export interface PostgresPart extends Part {
  /** Of the owner, with its password: a secret. Known after the first start, then the same. */
  readonly url: string
  readonly port: number
  /** Does it have TimescaleDB? Known after the first start. */
  readonly timescale: boolean
  /** Where the cluster really lies; known after the first start. */
  readonly dataDirectory: string
}

interface Laid { readonly options: ServerOptions, readonly timescale: boolean }

/** Describes a server; the first start() makes the cluster. Throws EMBEDDED_* from there. */
export function postgresServer (options: PostgresServerOptions): PostgresPart {
  const { port = choosePort(), log, name = 'postgres' } = options
  const directory = resolve(options.directory)
  let laid: Laid | null = null
  let server: Server | null = null
  let starting: { readonly abort: AbortController, readonly done: Promise<void> } | null = null
  let unlock: (() => Promise<void>) | null = null

  const running = () => server !== null && server.child.exitCode === null && server.child.signalCode === null
  const known = (): Laid => {
    if (laid === null) throw new Error(`${name} has not been started yet`)
    return laid
  }
  const url = (database: string) => `postgres://${databaseUser}:${known().options.password}@127.0.0.1:${port}/${database}`

  async function run (signal: AbortSignal): Promise<void> {
    await mkdir(directory, { recursive: true, mode: 0o755 })
    unlock ??= await takeLock(directory)
    laid ??= await layOut({ ...options, directory, port })
    await endOrphan(laid.options.place.data, log, signal)
    server = await startServer({ ...laid.options, signal })
    killAtExit(server.child)
    try {
      await makeDatabase(url('postgres'))
      if (laid.timescale) await makeExtension(url(databaseName))
    } catch (error) {
      await server.stop()
      throw error
    }
    log.debug({ name, port, pid: server.pid, timescale: laid.timescale }, 'PostgreSQL started')
  }

  async function start (): Promise<void> {
    if (running()) return
    const abort = new AbortController()
    const done = run(abort.signal)
    starting = { abort, done: done.catch(() => {}) }
    try {
      await done
    } finally {
      starting = null
    }
  }

  /** A start that is under way is broken off before `how` ends the server. */
  async function end (how: (server: Server) => Promise<void>): Promise<void> {
    starting?.abort.abort()
    await starting?.done
    if (server !== null && running()) await how(server)
    await unlock?.()
    unlock = null
  }

  return {
    name,
    port,
    get url () { return url(databaseName) },
    get timescale () { return known().timescale },
    get dataDirectory () { return known().options.place.data },
    get running () { return running() },
    start,
    stop: () => end(async (running) => {
      await thawTree(running.pid)
      await running.stop()
    }),
    kill: () => end(async ({ pid, child }) => {
      const gone = once(child, 'exit')
      await killTree(pid)
      await gone
    }),
    ...treeVerbs(() => running() ? server?.pid ?? null : null)
  }
}

async function layOut ({ directory, pgBin, port, settings = {}, log }: PostgresServerOptions & { port: number }): Promise<Laid> {
  const account = serverAccount()
  const place = await preparePlace(directory, await findBinaries({ pgBin }), account, log)
  const timescale = await hasTimescale(place.binaries.bin)
  const password = await prepareCluster(place, account, log)
  return {
    timescale,
    options: {
      place,
      account,
      port,
      password,
      logFile: join(directory, 'server.log'),
      signal: new AbortController().signal,
      // the proof calls nobody
      settings: { ...(timescale && { shared_preload_libraries: 'timescaledb', 'timescaledb.telemetry_level': 'off' }), ...settings }
    }
  }
}

/** Does the installation hold the extension's library? Everywhere it lies somewhere below lib/, beside bin/. */
async function hasTimescale (bin: string): Promise<boolean> {
  const names = await readdir(join(dirname(resolve(bin)), 'lib'), { recursive: true }).catch(() => [])
  return names.some((entry) => /(^|\/)timescaledb\.(so|dylib)$/.test(entry))
}

async function makeExtension (url: string): Promise<void> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 10_000, query_timeout: 60_000, options: '-c client_min_messages=warning' })
  client.on('error', () => {})
  await client.connect()
  try {
    await client.query('CREATE EXTENSION IF NOT EXISTS timescaledb')
  } finally {
    await client.end()
  }
}
