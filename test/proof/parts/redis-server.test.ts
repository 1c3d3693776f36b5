import { test, type Test } from 'tap'
import { readFile, stat, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { Redis } from 'ioredis'
import { findRedisServer } from '../../../proof/parts/find-redis.ts'
import { redisServer, type RedisPart } from '../../../proof/parts/redis-server.ts'
import { quietObservability } from '../../../runtime/observability.ts'
import { testFolder } from '../../fixtures/folder.ts'
import { unpackRedis } from '../../services/redis-server.ts'
import { needsServices } from '../../services/skip.ts'

const { log } = quietObservability()

async function server (t: Test, settings: Record<string, string> = {}): Promise<RedisPart> {
  const directory = testFolder(t)
  const redis = redisServer({ directory, program: await unpackRedis(), settings, log })
  t.teardown(() => redis.kill())
  return redis
}

async function ask<T> (redis: RedisPart, what: (client: Redis) => Promise<T>): Promise<T> {
  const client = new Redis(redis.url, { retryStrategy: () => null, commandTimeout: 5_000 })
  client.on('error', () => {})
  try {
    return await what(client)
  } finally {
    client.disconnect()
  }
}

test('it is set up to hold a queue, and a kill loses nothing that was answered', needsServices, async (t) => {
  const redis = await server(t)
  t.equal(redis.running, false)
  t.equal(await redis.residentBytes(), null)
  await redis.start()
  t.equal(redis.running, true)
  t.ok((await redis.residentBytes() ?? 0) > 1_000_000)
  t.match(await ask(redis, (client) => client.config('GET', 'appendfsync')), ['appendfsync', 'always'])
  t.match(await ask(redis, (client) => client.config('GET', 'maxmemory-policy')), ['maxmemory-policy', 'noeviction'])
  await t.rejects(ask({ ...redis, url: redis.url.replace(/:[^:@]+@/, ':wrong@') }, (client) => client.get('a')), 'nobody without the password')
  await ask(redis, (client) => client.set('kept', 'yes'))
  await redis.kill()
  t.equal(redis.running, false)
  await t.rejects(ask(redis, (client) => client.ping()))
  const { url } = redis
  await redis.start()
  t.equal(redis.url, url)
  t.equal(await ask(redis, (client) => client.get('kept')), 'yes')
  await redis.stop()
  await redis.stop()
  t.equal(redis.running, false)
})

test('frozen it takes connections and answers nothing; it stops in order all the same', needsServices, async (t) => {
  const redis = await server(t)
  await redis.start()
  await redis.freeze()
  t.equal(redis.running, true)
  let answered = false
  const waiting = ask(redis, (client) => client.ping()).then(() => { answered = true })
  await new Promise((resolve) => setTimeout(resolve, 100))
  t.equal(answered, false)
  await redis.thaw()
  await waiting
  t.equal(answered, true)
  await redis.freeze()
  await redis.stop()
  t.equal(redis.running, false)
})

test('a power failure takes only what came after the given byte, also in the middle of a record', needsServices, async (t) => {
  const redis = await server(t)
  await redis.start()
  const file = await redis.aofFile()
  await ask(redis, async (client) => { for (let i = 0; i < 20; i++) await client.xadd('s', '*', 'n', String(i)) })
  const fromBytes = (await stat(file)).size
  await ask(redis, async (client) => { for (let i = 20; i < 40; i++) await client.xadd('s', '*', 'n', String(i)) })
  await t.rejects(redis.powerLoss({ fromBytes, random: Math.random }), /runs/)
  await redis.kill()
  const before = (await stat(file)).size
  const { cutBytes } = await redis.powerLoss({ fromBytes, random: () => 0.51 })
  t.ok(cutBytes > 0)
  t.equal((await stat(file)).size, before - cutBytes)
  const tail = (await readFile(file)).subarray(-2).toString()
  t.not(tail, '\r\n', 'this one is in the middle of a record')
  await redis.start()
  const left = await ask(redis, (client) => client.xrange('s', '-', '+'))
  t.ok(left.length >= 20 && left.length < 40, `${left.length} left`)
  t.same(left.map(([, [, n]]) => Number(n)), left.map((_, i) => i), 'a prefix, without a hole')
  await redis.kill()
  await redis.powerLoss({ fromBytes: 0, random: () => 0 })
  t.equal((await stat(await redis.aofFile())).size, 0)
  await redis.start()
  t.equal(await ask(redis, (client) => client.dbsize()), 0)
  await redis.kill()
  await t.rejects(redis.powerLoss({ fromBytes: 1_000_000, random: () => 0 }), RangeError)
})

test('an empty one in its place has the same address and password', needsServices, async (t) => {
  const redis = await server(t)
  await redis.start()
  await ask(redis, (client) => client.set('a', '1'))
  await t.rejects(redis.emptied(), /runs/)
  await redis.kill()
  await redis.emptied()
  await redis.start()
  t.equal(await ask(redis, (client) => client.dbsize()), 0)
})

test('one that cannot start says why', needsServices, async (t) => {
  const redis = await server(t, { 'no-such-setting': 'x' })
  await t.rejects(redis.start(), { code: 'PROOF_PART_FAILED', message: /no-such-setting/ })
  t.equal(redis.running, false)
  const absent = redisServer({ directory: testFolder(t), program: '/nowhere/redis-server', log })
  await t.rejects(absent.start(), { code: 'PROOF_PART_FAILED' })
})

test('the program is the named one, else that of PATH, else an error that says what to do', needsServices, async (t) => {
  const program = await unpackRedis()
  t.equal(await findRedisServer(program, ''), program)
  t.equal(await findRedisServer('', `/nowhere:${dirname(program)}`), program)
  await t.rejects(findRedisServer('', '/nowhere'), { code: 'REDIS_SERVER_MISSING' })
  const text = join(testFolder(t), 'redis-server')
  await writeFile(text, 'not a program', { mode: 0o644 })
  await t.rejects(findRedisServer(text, dirname(program)), { code: 'REDIS_SERVER_MISSING' }, 'a wrong path is not passed over')
})
