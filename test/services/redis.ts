// A real Redis 7.0 for tests, set as one that holds a queue must be (every write fsynced, nothing evicted). Each test file's
// process shares one, started when first asked for and killed with the process; every test that asks gets a namespace of its
// own there, or a server that it may break. TEST_REDIS_URL takes the place of the shared server when given.
import { randomBytes } from 'node:crypto'
import { rmSync } from 'node:fs'
import { Redis } from 'ioredis'
import { RedisServer } from './redis-server.ts'
import { refuseWhenSkipped } from './skip.ts'

/** What is needed of a tap test. */
interface Teardown { teardown (fn: () => Promise<void> | void): void }

let shared: Promise<string> | undefined

/** The URL of the server that the tests of this process share; starts it when it does not run. */
export function sharedRedis (): Promise<string> {
  shared ??= startShared()
  return shared
}

async function startShared (): Promise<string> {
  refuseWhenSkipped()
  const given = process.env['TEST_REDIS_URL']
  if (given !== undefined && given !== '') return given
  const server = await RedisServer.create()
  process.once('exit', () => {
    server.killNow()
    rmSync(server.directory, { recursive: true, force: true, maxRetries: 5 })
  })
  await server.start()
  return server.url
}

export interface TemporaryRedis {
  readonly url: string
  /** For PULSEGATE_REDIS_NAMESPACE: no other test has it. */
  readonly namespace: string
}

/** A namespace of its own on the shared server for this test; its keys are deleted in the test's teardown. */
export async function temporaryRedis (t: Teardown): Promise<TemporaryRedis> {
  const url = await sharedRedis()
  const namespace = `test-${process.pid}-${randomBytes(4).toString('hex')}`
  t.teardown(() => deleteNamespace(url, namespace))
  return { url, namespace }
}

async function deleteNamespace (url: string, namespace: string): Promise<void> {
  const client = new Redis(url, { maxRetriesPerRequest: 3, connectTimeout: 5_000, commandTimeout: 30_000 })
  client.on('error', () => {}) // the command's own rejection says it
  try {
    for (const pattern of [`${namespace}:*`, `{${namespace}:*`]) {
      for await (const keys of client.scanStream({ match: pattern, count: 1_000 }) as AsyncIterable<string[]>) {
        if (keys.length > 0) await client.unlink(keys)
      }
    }
  } finally {
    client.disconnect()
  }
}

export interface OwnRedis {
  /** With its password; the same after every start. */
  readonly url: string
  readonly port: number
  /** Its settings are in redis.conf, its log in redis.log. */
  readonly directory: string
  /** Of the server that runs now; another after a start. */
  readonly pid: number
  /** In order (SIGTERM). */
  stop (): Promise<void>
  /** SIGKILL: what a power cut looks like to clients. */
  kill (): Promise<void>
  /** Same port, same data. */
  start (): Promise<void>
  /** SIGSTOP: connections stay, nothing answers. */
  freeze (): void
  thaw (): void
  /** The incremental file of appendonlydir/ that Redis appends to now. */
  aofFile (): string
}

/** A server of this test's own, running; removed in its teardown. `settings`: values of redis.conf, such as `{ maxmemory: '5mb' }`. */
export async function ownRedis (t: Teardown, settings: Readonly<Record<string, string>> = {}): Promise<OwnRedis> {
  refuseWhenSkipped()
  const server = await RedisServer.create(settings)
  t.teardown(() => server.remove())
  await server.start()
  return {
    url: server.url,
    port: server.port,
    directory: server.directory,
    get pid () { return server.pid },
    stop: () => server.stop(),
    kill: () => server.kill(),
    start: () => server.start(),
    freeze: () => { server.signal('SIGSTOP') },
    thaw: () => { server.signal('SIGCONT') },
    aofFile: () => server.aofFile()
  }
}
