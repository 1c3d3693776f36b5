// The broker's side while Redis is away, full, slow, not durable or emptied: PUBACK withheld, nothing dropped, and it says why.
import { type Test, test } from 'tap'
import { Redis } from 'ioredis'
import { group, keysOf } from '../../../queue/redis/keys.ts'
import { type RedisQueue } from '../../../queue/redis/redis-queue.ts'
import { type Envelope } from '../../../queue/queue.ts'
import { sender, type Sender } from '../../fixtures/envelopes.ts'
import { openTestQueue } from '../../fixtures/redis-queue.ts'
import { ownRedis, temporaryRedis } from '../../services/redis.ts'
import { needsServices } from '../../services/skip.ts'

async function eventually (t: Test, what: string, reached: () => boolean | Promise<boolean>): Promise<void> {
  for (const deadline = Date.now() + 20_000; !await reached();) {
    if (Date.now() > deadline) { t.fail(`in vain: ${what}`); return }
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
  t.pass(what)
}

const settledAs = (sent: Sender, outcome: null): number => sent.outcomes.filter((calls) => calls?.length === 1 && calls[0] === outcome).length

/** Consumes everything; gives the numbers in the order in which they came. */
function follow (queue: RedisQueue, sent: Sender): number[] {
  const seen: number[] = []
  queue.consume(async ({ envelopes }) => { seen.push(...envelopes.map((envelope) => sent.numberOf(envelope))) }).catch(() => {})
  return seen
}

function withoutRepeats (numbers: readonly number[]): number[] { return [...new Set(numbers)] }

const upTo = (count: number): number[] => Array.from({ length: count }, (_, i) => i)

for (const [how, hurt, heal] of [
  ['killed', async (redis) => redis.kill(), async (redis) => redis.start()],
  ['frozen', async (redis) => { redis.freeze() }, async (redis) => { redis.thaw() }]
] as Array<[string, (redis: Awaited<ReturnType<typeof ownRedis>>) => Promise<void>, (redis: Awaited<ReturnType<typeof ownRedis>>) => Promise<void>]>) {
  test(`Redis ${how}: nothing is settled, readiness says why, and all comes through in order once it is back`, needsServices, async (t) => {
    const server = await ownRedis(t)
    const queue = await openTestQueue(t, { url: server.url, namespace: 'n', timeoutMs: 500, leaseMs: 60_000 })
    const sent = sender()
    const seen = follow(queue, sent)
    for (let i = 0; i < 10; i++) queue.accept(sent.envelope())
    await eventually(t, 'settled before', () => settledAs(sent, null) === 10)
    await hurt(server)
    for (let i = 0; i < 50; i++) queue.accept(sent.envelope())
    await eventually(t, 'it says why', () => !queue.check().ready && /^redis/.test(queue.check().reason ?? ''))
    t.equal(settledAs(sent, null), 10, 'withheld')
    t.equal(queue.depth.messages, 50)
    await heal(server)
    await eventually(t, 'settled after', () => settledAs(sent, null) === 60)
    await eventually(t, 'and handed out', () => withoutRepeats(seen).length === 60)
    t.strictSame(withoutRepeats(seen), upTo(60), 'in order')
    await eventually(t, 'ready again', () => queue.check().ready)
    await queue.close()
  })
}

test('a full Redis is emptied by the worker and takes messages again; what came meanwhile was withheld [C16]', needsServices, async (t) => {
  const server = await ownRedis(t, { maxmemory: '3mb' })
  const writer = await openTestQueue(t, { url: server.url, namespace: 'n', sides: 'write' })
  const sent = sender()
  for (let i = 0; i < 400; i++) writer.accept(sent.envelope(10_000))
  await eventually(t, 'it says why', () => /OOM/.test(writer.check().reason ?? ''))
  const before = settledAs(sent, null)
  t.ok(before < 400, `${before} of 400 fitted`)
  t.equal(writer.depth.messages, 400 - before)
  // a new worker: it must be able to take its leases although Redis is full
  const reader = await openTestQueue(t, { url: server.url, namespace: 'n', sides: 'read' })
  const seen = follow(reader, sent)
  await eventually(t, 'all settled', () => settledAs(sent, null) === 400)
  await eventually(t, 'all handed out', () => withoutRepeats(seen).length === 400)
  t.strictSame(withoutRepeats(seen), upTo(400))
  await reader.close()
  await writer.close()
})

test('a Redis that is not durable is refused at the start, with the settings to change', needsServices, async (t) => {
  const server = await ownRedis(t, { appendfsync: 'everysec', maxmemory: '100mb', 'maxmemory-policy': 'allkeys-lru' })
  const place = { url: server.url, namespace: 'n' }
  await t.rejects(openTestQueue(t, place), { code: 'REDIS_NOT_DURABLE', message: /set `appendfsync always`; set `maxmemory-policy noeviction`/ })
  const queue = await openTestQueue(t, { ...place, sides: 'write', allowWeakDurability: true })
  const sent = sender()
  queue.accept(sent.envelope())
  await eventually(t, 'allowed, it works', () => settledAs(sent, null) === 1)
  t.match(queue.check(), { ready: true, reason: /not durable.*allowed by --allow-weak-durability/, detail: { durable: false } })
  await queue.close(AbortSignal.abort())
})

test('a setting that is changed while we run withholds PUBACK until it is changed back', { ...needsServices, timeout: 60_000 }, async (t) => {
  const server = await ownRedis(t)
  const queue = await openTestQueue(t, { url: server.url, namespace: 'n' })
  const admin = new Redis(server.url)
  t.teardown(() => { admin.disconnect() })
  await admin.config('SET', 'appendfsync', 'no')
  await eventually(t, 'noticed', () => /not durable/.test(queue.check().reason ?? ''))
  const sent = sender()
  queue.accept(sent.envelope())
  await new Promise((resolve) => setTimeout(resolve, 200))
  t.equal(settledAs(sent, null), 0)
  await admin.config('SET', 'appendfsync', 'always')
  await eventually(t, 'settled', () => settledAs(sent, null) === 1)
  await queue.close(AbortSignal.abort())
})

test('a Redis that was emptied is set up again and goes on [C16]', needsServices, async (t) => {
  const server = await ownRedis(t)
  const queue = await openTestQueue(t, { url: server.url, namespace: 'n', leaseMs: 1_000 })
  const sent = sender()
  const seen = follow(queue, sent)
  queue.accept(sent.envelope())
  await eventually(t, 'before', () => seen.length === 1)
  const admin = new Redis(server.url)
  t.teardown(() => { admin.disconnect() })
  await admin.flushall()
  for (let i = 0; i < 5; i++) queue.accept(sent.envelope())
  await eventually(t, 'after', () => seen.length === 6)
  await queue.close()
})

test('nothing is removed that another group still needs', needsServices, async (t) => {
  const place = await temporaryRedis(t)
  const queue = await openTestQueue(t, { ...place, partitions: 1 })
  const admin = new Redis(place.url)
  t.teardown(() => { admin.disconnect() })
  const stream = keysOf(place.namespace).stream(0)
  await admin.xgroup('CREATE', stream, 'analytics', '0', 'MKSTREAM')
  const sent = sender()
  const seen = follow(queue, sent)
  for (let i = 0; i < 30; i++) queue.accept(sent.envelope())
  await eventually(t, 'ours are done', async () => seen.length === 30 && (await admin.xpending(stream, group) as [number])[0] === 0)
  t.equal(await admin.xlen(stream), 30, 'the other group has read nothing yet')
  const read = await admin.xreadgroup('GROUP', 'analytics', 'a', 'COUNT', 10, 'STREAMS', stream, '>') as Array<[string, Array<[string, string[]]>]>
  const ids = (read[0]?.[1] ?? []).map(([id]) => id)
  await admin.xack(stream, 'analytics', ...ids.slice(0, 5))
  queue.accept(sent.envelope())
  await eventually(t, 'only what both have acknowledged is gone', async () => await admin.xlen(stream) === 26)
  await admin.xgroup('DESTROY', stream, 'analytics')
  await eventually(t, 'without the other group the stream is emptied', async () => await admin.xlen(stream) === 0)
  await queue.close()
})

test('the number of partitions is fixed at the first start', needsServices, async (t) => {
  const place = await temporaryRedis(t)
  const first = await openTestQueue(t, { ...place, partitions: 3 })
  await t.rejects(openTestQueue(t, { ...place, partitions: 5 }), { code: 'CONFIG_INVALID', message: /fixed as 3 at the first start/ })
  t.equal(first.partitions, 3)
})

test('a namespace that holds something else is refused', needsServices, async (t) => {
  const place = await temporaryRedis(t)
  const admin = new Redis(place.url)
  t.teardown(() => { admin.disconnect() })
  await admin.lpush(keysOf(place.namespace).partitions, 'x')
  await t.rejects(openTestQueue(t, place), { code: 'REDIS_FOREIGN' })
})

test('an entry written by a newer version is left for a newer worker', needsServices, async (t) => {
  const place = await temporaryRedis(t)
  const queue = await openTestQueue(t, { ...place, partitions: 1 })
  const admin = new Redis(place.url)
  t.teardown(() => { admin.disconnect() })
  const stream = keysOf(place.namespace).stream(0)
  await admin.xadd(stream, '*', 'm', Buffer.from([99, 0, ...Buffer.alloc(30)]))
  const handled: Envelope[] = []
  queue.consume(async ({ envelopes }) => { handled.push(...envelopes) }).catch(() => {})
  await eventually(t, 'given up', async () => (await admin.xpending(stream, group).catch(() => [0]) as [number])[0] === 1 && await admin.get(keysOf(place.namespace).lease(0)) === null)
  t.equal(handled.length, 0)
  t.equal(await admin.xlen(stream), 1)
  await queue.close(AbortSignal.abort())
})
