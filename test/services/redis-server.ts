// A Redis 7.0 server as a child process of ours: Debian bookworm's redis-server, unpacked privately by debian.sh, in a folder
// of its own. The kernel kills it when this process ends, however that comes about, so no orphan stays.
import { type ChildProcess, spawn } from 'node:child_process'
import { randomBytes, randomInt } from 'node:crypto'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { mkdtemp, open, readFile, readdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { Redis } from 'ioredis'
import { debianPackages } from './debian.ts'
import { processIdentity, servicesDirectory } from './directory.ts'

const startTimeoutMs = 30_000
const stopTimeoutMs = 30_000

/** Downloads and unpacks Redis, once for this user; gives the path of the program redis-server. Rejects, saying why. */
export async function unpackRedis (): Promise<string> {
  try {
    // bookworm's is 7.0.15: Pulsegate keeps to the commands of Redis 7.0, so it is tested on nothing newer
    return (await debianPackages(['redis-server'], 'bookworm')).bin('redis-server')
  } catch (error) {
    throw new Error(`Redis 7.0 cannot be had from Debian's packages: ${(error as Error).message}`, { cause: error })
  }
}

/** What a production Redis that may hold a queue is set to. */
const defaults: Readonly<Record<string, string>> = {
  bind: '127.0.0.1',
  daemonize: 'no',
  save: '',
  appendonly: 'yes',
  appendfsync: 'always',
  'maxmemory-policy': 'noeviction'
}

export class RedisServer {
  /** Its settings are in redis.conf, its log in redis.log, its data in appendonlydir/. */
  readonly directory: string
  readonly #settings: Readonly<Record<string, string>>
  readonly #password = randomBytes(16).toString('hex')
  #port: number | undefined
  #child: ChildProcess | undefined

  private constructor (directory: string, settings: Readonly<Record<string, string>>) {
    this.directory = directory
    this.#settings = { ...defaults, ...settings }
  }

  /** Lays out a server in a new folder; start() starts it. `settings` take the place of values in redis.conf. */
  static async create (settings: Readonly<Record<string, string>> = {}): Promise<RedisServer> {
    const owner = `redis-${process.pid}-${await processIdentity(process.pid)}-`
    return new RedisServer(await mkdtemp(join(servicesDirectory(), owner)), settings)
  }

  get port (): number { return this.#port ?? fail('this Redis has not been started') }
  get url (): string { return `redis://:${this.#password}@127.0.0.1:${this.port}` }
  get pid (): number { return this.#running()?.pid ?? fail('this Redis does not run') }

  /** Starts it, or finds it running; resolves when it answers. The first start chooses a port, later ones keep it. */
  async start (): Promise<void> {
    const program = await unpackRedis()
    for (let attempt = 1; this.#running() === undefined; attempt++) {
      // below the range from which the kernel takes ports for outgoing connections
      const port = this.#port ?? randomInt(20_000, 32_000)
      const failure = await this.#launch(program, port)
      if (failure === undefined) this.#port = port
      else if (!failure.includes('Address already in use') || attempt === 20) throw new Error(`Redis did not start in ${this.directory}:\n${failure}`)
      else if (this.#port !== undefined) await delay(250)
    }
  }

  /** In order: Redis finishes what it does, writes the file out and ends. */
  stop (): Promise<void> { return this.#end('SIGTERM') }

  /** SIGKILL: what a power cut looks like to clients. */
  kill (): Promise<void> { return this.#end('SIGKILL') }

  signal (name: NodeJS.Signals): void { process.kill(this.pid, name) }

  /** Kills it and removes its folder. */
  async remove (): Promise<void> {
    await this.kill()
    await rm(this.directory, { recursive: true, force: true, maxRetries: 5 })
  }

  /** The same at once, for a process that is about to end. */
  killNow (): void { this.#running()?.kill('SIGKILL') }

  /** The file that Redis appends to now. */
  aofFile (): string {
    const folder = join(this.directory, 'appendonlydir')
    // a line a file: 'file appendonly.aof.1.incr.aof seq 1 type i'; the last incremental one is open
    const last = readFileSync(join(folder, 'appendonly.aof.manifest'), 'utf8').split('\n').map((line) => line.split(' ')).findLast((words) => words[5] === 'i')
    return join(folder, last?.[1] ?? fail('the manifest names no incremental file'))
  }

  #running (): ChildProcess | undefined {
    return this.#child?.exitCode === null && this.#child.signalCode === null ? this.#child : undefined
  }

  /** One attempt; what the log says when it fails. */
  async #launch (program: string, port: number): Promise<string | undefined> {
    const settings = { ...this.#settings, port: String(port), dir: this.directory, requirepass: this.#password }
    const lines = Object.entries(settings).map(([name, value]) => `${name} ${value === '' ? '""' : value}\n`)
    await writeFile(join(this.directory, 'redis.conf'), lines.join(''), { mode: 0o600 })
    const log = await open(join(this.directory, 'redis.log'), 'a', 0o600)
    const { size } = await log.stat()
    const child = spawn('setpriv', ['--pdeathsig', 'KILL', '--', program, join(this.directory, 'redis.conf')], {
      cwd: this.directory, env: { PATH: process.env['PATH'] }, stdio: ['ignore', log.fd, log.fd]
    })
    child.unref() // a test process may end without having stopped it
    await once(child, 'spawn').finally(() => log.close())
    this.#child = child
    const failure = await Promise.race([once(child, 'exit').then(() => 'it ended'), answers(`redis://:${this.#password}@127.0.0.1:${port}`)])
    if (failure === undefined) return undefined
    await this.kill()
    const said = (await readFile(join(this.directory, 'redis.log'))).subarray(size).toString().trim()
    return `${failure}\n${said}`
  }

  async #end (signal: NodeJS.Signals): Promise<void> {
    const child = this.#running()
    if (child === undefined) return
    const ended = once(child, 'exit', { signal: AbortSignal.timeout(stopTimeoutMs) })
    child.ref() // nothing else may keep this process waiting for it
    child.kill(signal)
    await ended.catch((cause: unknown) => { throw new Error(`Redis did not end within ${stopTimeoutMs} ms of ${signal}`, { cause }) })
  }
}

/** Undefined when the server answers with its data loaded; else why not. */
async function answers (url: string): Promise<string | undefined> {
  const client = new Redis(url, { retryStrategy: () => 20, maxRetriesPerRequest: null })
  client.on('error', () => {}) // it tries again
  const tooLate = new AbortController()
  try {
    return await Promise.race([
      client.ping().then(() => undefined, (error: unknown) => (error as Error).message),
      delay(startTimeoutMs, `no answer for ${startTimeoutMs} ms`, { signal: tooLate.signal })
    ])
  } finally {
    tooLate.abort()
    client.disconnect()
  }
}

/** Removes the folders of servers whose test process was killed. */
export async function removeRedisLeftovers (): Promise<void> {
  for (const name of await readdir(servicesDirectory())) {
    const [, pid, identity] = /^redis-(\d+)-(\d*)-/.exec(name) ?? []
    if (pid === undefined || await processIdentity(Number(pid)) === identity) continue
    await rm(join(servicesDirectory(), name), { recursive: true, force: true, maxRetries: 5 })
  }
}

function fail (message: string): never { throw new Error(message) }
