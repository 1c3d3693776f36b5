// Starts and stops TimescaleDB servers through timescaledb.sh, and private ones that a test may break. This process is
// entered as a user of each server it starts, so the server is stopped when the process is gone, however it ended.
import { execFile } from 'node:child_process'
import { chmodSync } from 'node:fs'
import { mkdir, mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { processIdentity, scriptPath, servicesDirectory } from './directory.ts'
import { refuseWhenSkipped } from './skip.ts'

const run = promisify(execFile)

// the first start downloads about 40 MB
const scriptTimeoutMs = 600_000

function unpacked (): string { return join(servicesDirectory(), 'trixie-timescaledb') }

async function script (command: string, directory: string, env: Record<string, string> = {}): Promise<string> {
  const { stdout } = await run('bash', [scriptPath('timescaledb.sh'), command, directory], {
    timeout: scriptTimeoutMs,
    // one unpacked tree for all servers
    env: { ...process.env, TSDB_DIST: unpacked(), ...env }
  })
  return stdout.trim()
}

/** Starts the server in `directory` (or finds it running); gives its URL. Rejects, saying why, when it cannot be had. */
export async function startServer (directory: string, env: Record<string, string> = {}): Promise<string> {
  refuseWhenSkipped()
  const users = join(directory, 'users')
  await mkdir(users, { recursive: true, mode: 0o755 })
  // before the start: from here on nobody stops the server while this process lives
  await writeFile(join(users, String(process.pid)), await processIdentity(process.pid))
  return script('start', directory, env)
}

/** Downloads and unpacks PostgreSQL with TimescaleDB, once for this user; gives the folder of its programs (initdb, postgres…). */
export async function unpackTimescale (): Promise<string> {
  refuseWhenSkipped()
  await script('unpack', servicesDirectory())
  const versions = join(unpacked(), 'usr', 'lib', 'postgresql')
  const version = (await readdir(versions))[0]
  if (version === undefined) throw new Error(`no PostgreSQL in ${versions}`)
  return join(versions, version, 'bin')
}

/** Stops the server in `directory` unless a live process uses it. */
export async function releaseServer (directory: string): Promise<void> {
  await script('release', directory)
}

export interface OwnServer {
  /** Of the superuser, database `telemetry`, which has the extension; the same after every start. */
  readonly url: string
  /** Its data lies in `data/`, its log in `postgres.log`. */
  readonly directory: string
  /** Fast shutdown: open transactions are aborted, clients disconnected. */
  stop (): Promise<void>
  /** SIGKILL to the server: what a power cut looks like to clients. */
  kill (): Promise<void>
  start (): Promise<void>
  /** SIGSTOP to every process of the server: connections stay, nothing answers. */
  freeze (): Promise<void>
  thaw (): Promise<void>
}

/** What is needed of a tap test. */
interface Teardown { teardown (fn: () => Promise<void> | void): void }

/** A server of this test's own, which it may stop, kill, freeze and start; removed in its teardown. `settings`: 'name=value …'. */
export async function ownServer (t: Teardown, settings = ''): Promise<OwnServer> {
  const directory = await mkdtemp(join(servicesDirectory(), 'own-'))
  chmodSync(directory, 0o755) // the server's user must be able to enter it
  // nobody but this process will ever use it
  const env = { TSDB_CONF: settings, TSDB_GRACE: '2', TSDB_REMOVE: '1' }
  t.teardown(async () => {
    await signal(directory, 'SIGCONT').catch(() => {})
    await script('stop', directory).catch(() => {})
    await rm(directory, { recursive: true, force: true, maxRetries: 5 })
  })
  const url = await startServer(directory, env)
  return {
    url,
    directory,
    stop: async () => { await script('stop', directory) },
    kill: () => signal(directory, 'SIGKILL'),
    start: async () => { await startServer(directory, env) },
    freeze: () => signal(directory, 'SIGSTOP'),
    thaw: () => signal(directory, 'SIGCONT')
  }
}

/** Sends a signal to the postmaster and its children. */
async function signal (directory: string, name: NodeJS.Signals): Promise<void> {
  const postmaster = Number((await readFile(join(directory, 'data', 'postmaster.pid'), 'utf8')).split('\n')[0])
  const all = [postmaster]
  for (const entry of await readdir('/proc')) {
    if (!/^\d+$/.test(entry)) continue
    const stat = await readFile(`/proc/${entry}/stat`, 'utf8').catch(() => '')
    // after the command in parentheses: state, parent
    if (Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]) === postmaster) all.push(Number(entry))
  }
  for (const pid of all) {
    try { process.kill(pid, name) } catch (error) { if ((error as { code?: string }).code !== 'ESRCH') throw error }
  }
}
