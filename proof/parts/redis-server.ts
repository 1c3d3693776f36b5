// A Redis of the proof's own, set up as one that holds a queue must be: every write fsynced before it is answered, nothing
// evicted. Killed, frozen, cut like by a power failure, or replaced by an empty one; always the same address and password.
import { randomBytes } from 'node:crypto'
import { mkdir, rm, stat, truncate, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { Redis } from 'ioredis'
import { type Logger } from '../../runtime/observability.ts'
import { appendedFile } from './aof.ts'
import { launch, treeVerbs, waitForAnswer, type Child } from './child.ts'
import { type Part } from './part.ts'
import { choosePort } from './port.ts'

export interface RedisServerOptions {
  /** For redis.conf, redis.log and data/; made when absent. */
  readonly directory: string
  /** Default: one that nobody uses. */
  readonly port?: number
  /** Path of redis-server (findRedisServer). */
  readonly program: string
  /** Lines of redis.conf that take the place of ours, such as `{ appendfsync: 'no' }`. */
  readonly settings?: Readonly<Record<string, string>>
  readonly log: Logger
  /** Default 'redis'. */
  readonly name?: string
}

export interface RedisPart extends Part {
  /** With its password: a secret. The same after every start. */
  readonly url: string
  readonly port: number
  /** Where its data lies. */
  readonly dataDirectory: string
  /** The file that Redis appends its writes to now. */
  aofFile (): Promise<string>
  /** For a server that is dead: cuts the append-only file at a random byte from `fromBytes` to its end. */
  powerLoss (options: { fromBytes: number, random: () => number }): Promise<{ cutBytes: number }>
  /** For a server that is dead: its data is gone, as when an empty Redis takes its place. */
  emptied (): Promise<void>
}

/** Loading a large append-only file takes its time. */
const startWithinMs = 60_000
const stopWithinMs = 20_000

const defaults: Readonly<Record<string, string>> = {
  bind: '127.0.0.1',
  'protected-mode': 'yes',
  daemonize: 'no',
  save: '',
  appendonly: 'yes',
  appendfsync: 'always',
  'aof-load-truncated': 'yes',
  // a rewrite would move the place from which powerLoss may cut into another file
  'auto-aof-rewrite-percentage': '0',
  'maxmemory-policy': 'noeviction'
}

/** Lays out a server; start() starts it. */
export function redisServer ({ directory, port = choosePort(), program, settings = {}, log, name = 'redis' }: RedisServerOptions): RedisPart {
  const password = randomBytes(24).toString('hex')
  const data = resolve(directory, 'data')
  let child: Child | null = null
  const running = () => child?.running ?? false

  async function start (): Promise<void> {
    if (running()) return
    await mkdir(data, { recursive: true })
    const configuration = resolve(directory, 'redis.conf')
    await writeFile(configuration, configurationText({ ...defaults, ...settings, port: String(port), dir: data, requirepass: password }), { mode: 0o600 })
    const started = child = await launch({ command: [program, configuration], env: { PATH: '/usr/bin:/bin', LC_ALL: 'C' }, logFile: join(directory, 'redis.log') })
    await waitForAnswer(name, started, () => answers(port, password), startWithinMs)
    log.debug({ name, port, pid: started.pid }, 'Redis started')
  }

  function assertDead (): void {
    if (running()) throw new Error(`${name} runs: kill it first`)
  }

  return {
    name,
    url: `redis://:${password}@127.0.0.1:${port}`,
    port,
    dataDirectory: data,
    get running () { return running() },
    start,
    stop: async () => { await child?.stop('SIGTERM', stopWithinMs) },
    kill: async () => { await child?.kill() },
    ...treeVerbs(() => running() ? child?.pid ?? null : null),
    aofFile: () => appendedFile(data),
    powerLoss: async ({ fromBytes, random }) => {
      assertDead()
      return cutBehind(await appendedFile(data), fromBytes, random)
    },
    emptied: async () => {
      assertDead()
      await rm(data, { recursive: true, force: true })
    }
  }
}

function configurationText (settings: Readonly<Record<string, string>>): string {
  return Object.entries(settings).map(([key, value]) => `${key} "${value.replace(/["\\]/g, '\\$&')}"\n`).join('')
}

/**
 * What a power failure leaves of an append-only file. Nobody can pull a plug here; the kernel keeps what a killed process wrote,
 * fsynced or not. But all that clients ever see of a power failure is which of the answered writes are there afterwards, and
 * with appendfsync always each answered one has been fsynced: what may be missing is a tail that nobody had an answer for,
 * cut anywhere, in the middle of a record too. So the proof holds the answers back at its proxy, notes the size of the file
 * (`fromBytes`), lets writes go on unanswered, kills the server, and cuts behind that size: to every client this equals a power
 * failure during a slow fsync. With `appendfsync no` nothing promises more than what was there at the start: cut from that size.
 */
async function cutBehind (file: string, fromBytes: number, random: () => number): Promise<{ cutBytes: number }> {
  const { size } = await stat(file)
  if (!(fromBytes >= 0 && fromBytes <= size)) throw new RangeError(`the append-only file has ${size} bytes: it cannot be cut from ${fromBytes}`)
  const kept = fromBytes + Math.floor(random() * (size - fromBytes + 1))
  await truncate(file, kept)
  return { cutBytes: size - kept }
}

/** Does it answer PING? While it loads its data it refuses with LOADING. */
async function answers (port: number, password: string): Promise<boolean> {
  const client = new Redis({
    host: '127.0.0.1', port, password, lazyConnect: true, retryStrategy: () => null, enableReadyCheck: false, connectTimeout: 2_000, commandTimeout: 2_000
  })
  client.on('error', () => {})
  try {
    await client.connect()
    return await client.ping() === 'PONG'
  } catch {
    return false
  } finally {
    client.disconnect()
  }
}
