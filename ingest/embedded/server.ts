// One run of the PostgreSQL server as our child: start, wait until it answers, stop. It listens on 127.0.0.1 only, without
// Unix sockets. fsync, synchronous_commit and full_page_writes are given on the command line, where no configuration file can
// turn them off: a PUBACK stands on them. It has a process group of its own, so that Ctrl-C reaches us and not the database.
import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import pg from 'pg'
import { PulsegateError } from '../../runtime/errors.ts'
import { sleep } from '../../runtime/retry.ts'
import { runAs, type Account } from './account.ts'
import { databaseUser, programEnvironment } from './cluster.ts'
import { type Place } from './place.ts'
import { logTail, openServerLog } from './server-log.ts'

export interface ServerOptions {
  readonly place: Place
  readonly account: Account
  readonly port: number
  readonly password: string
  readonly logFile: string
  readonly signal: AbortSignal
  /** Added to ours, or in their place; never in that of what a PUBACK stands on. */
  readonly settings?: Readonly<Record<string, string | number>>
}

export interface Server {
  readonly child: ChildProcess
  readonly pid: number
  /** Fast shutdown; immediate when that takes too long or `hard` aborts. */
  stop (hard?: AbortSignal): Promise<void>
}

/** Recovery after a crash replays at most a few hundred MB of WAL; slow disks are given time. */
const startWithinMs = 180_000
const fastStopWithinMs = 20_000
const immediateStopWithinMs = 5_000

/** What a PUBACK stands on. */
const durable = { fsync: 'on', synchronous_commit: 'on', full_page_writes: 'on' }

function serverArguments (data: string, port: number, more: Readonly<Record<string, string | number>> = {}): string[] {
  const settings = {
    listen_addresses: '127.0.0.1',
    port,
    unix_socket_directories: '',
    max_connections: 50, // the worker's pool, the health check, and people with psql
    shared_buffers: '128MB',
    max_wal_size: '1GB',
    jit: 'off', // compiling costs more than our short statements
    timezone: 'UTC',
    log_timezone: 'UTC',
    log_min_messages: 'warning',
    // a failed statement, its parameters and an error's detail would carry patients' values into the log
    log_min_error_statement: 'panic',
    log_parameter_max_length: 0,
    log_parameter_max_length_on_error: 0,
    log_error_verbosity: 'terse',
    ...more,
    ...durable
  }
  return ['-D', data, ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])]
}

/** `setpriv --pdeathsig INT --` where there is one: the kernel then stops the server when this process is killed. */
function deathSignal (): string[] {
  if (process.platform !== 'linux') return []
  const prefix = ['setpriv', '--pdeathsig', 'INT', '--']
  return spawnSync('setpriv', [...prefix.slice(1), 'true'], { stdio: 'ignore' }).status === 0 ? prefix : []
}

/** Starts the server and waits until it answers with our password. Throws EMBEDDED_START_FAILED with its last words. */
export async function startServer (options: ServerOptions): Promise<Server> {
  const { place, account, port, logFile, signal } = options
  const logHandle = await openServerLog(logFile)
  const logFrom = (await stat(logFile)).size
  const command = [...deathSignal(), join(place.binaries.bin, 'postgres'), ...serverArguments(place.data, port, options.settings)]
  const child = spawn(command[0] ?? '', command.slice(1), {
    ...runAs(account), cwd: '/', env: programEnvironment, detached: true, stdio: ['ignore', logHandle.fd, logHandle.fd]
  })
  const spawned = await Promise.race([once(child, 'spawn').then(() => null), once(child, 'error').then(([error]) => error as Error)])
  await logHandle.close()
  if (spawned) throw new PulsegateError('EMBEDDED_START_FAILED', `${command[0]} cannot be run`, { cause: spawned })

  const stop = (hard?: AbortSignal) => stopChild(child, hard)
  try {
    await waitUntilReady(child, options, signal)
    return { child, pid: child.pid ?? 0, stop }
  } catch (error) {
    await stop()
    if (!(error instanceof NotReady)) throw error
    throw new PulsegateError('EMBEDDED_START_FAILED', `${error.message}: ${await logTail(logFile, logFrom)}`)
  }
}

class NotReady extends Error {}

async function waitUntilReady (child: ChildProcess, { port, password }: ServerOptions, signal: AbortSignal): Promise<void> {
  const deadline = performance.now() + startWithinMs
  while (performance.now() < deadline) {
    signal.throwIfAborted()
    if (hasEnded(child)) throw new NotReady(`PostgreSQL ended at once (${child.signalCode ?? `exit ${child.exitCode}`})`)
    if (await answers(port, password)) return
    await sleep(30, signal)
  }
  throw new NotReady(`PostgreSQL did not answer within ${startWithinMs / 1_000} s`)
}

/** Does the server on `port` let us in? While it starts or recovers it refuses with 57P03 cannot_connect_now. */
async function answers (port: number, password: string): Promise<boolean> {
  const client = new pg.Client({ host: '127.0.0.1', port, user: databaseUser, password, database: 'postgres', connectionTimeoutMillis: 5_000 })
  client.on('error', () => {})
  try {
    await client.connect()
    return true
  } catch {
    return false
  } finally {
    await client.end().catch(() => {})
  }
}

function hasEnded (child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null
}

async function stopChild (child: ChildProcess, hard?: AbortSignal): Promise<void> {
  for (const [signal, withinMs] of [['SIGINT', fastStopWithinMs], ['SIGQUIT', immediateStopWithinMs], ['SIGKILL', immediateStopWithinMs]] as const) {
    if (hasEnded(child)) return
    if (signal === 'SIGINT' && hard?.aborted) continue
    child.kill(signal)
    await endWithin(child, withinMs, signal === 'SIGINT' ? hard : undefined)
  }
}

/** Waits for the end of `child`, at most `ms`, and not beyond the abort of `hard`. */
async function endWithin (child: ChildProcess, ms: number, hard?: AbortSignal): Promise<void> {
  const timeout = AbortSignal.timeout(ms)
  const signal = hard ? AbortSignal.any([timeout, hard]) : timeout
  if (!hasEnded(child)) await once(child, 'exit', { signal }).catch(() => {})
}
