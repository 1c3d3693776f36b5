// What a worker leaves behind when it stops, in order or not, and messages that were read and are in nobody's hands.
import { type Test, test } from 'tap'
import { Redis } from 'ioredis'
import { consumer, group, keysOf } from '../../../queue/redis/keys.ts'
import { type Envelope } from '../../../queue/queue.ts'
import { PulsegateError } from '../../../runtime/errors.ts'
import { gate, sender } from '../../fixtures/envelopes.ts'
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

function client (t: Test, url: string): Redis {
  const redis = new Redis(url)
  t.teardown(() => { redis.disconnect() })
  return redis
}

test('what a late read has put into nobody’s hands is found and handed out', needsServices, async (t) => {
  const place = await temporaryRedis(t)
  const redis = client(t, place.url)
  const sent = sender()
  const writer = await openTestQueue(t, { ...place, sides: 'write', partitions: 1 })
  const stream = keysOf(place.namespace).stream(0)
  await redis.xgroup('CREATE', stream, group, '0', 'MKSTREAM')
  const reader = await openTestQueue(t, { ...place, sides: 'read', partitions: 1 })
  const seen: number[] = []
  reader.consume(async ({ envelopes }) => { seen.push(...envelopes.map((envelope) => sent.numberOf(envelope))) }).catch(() => {})
  writer.accept(sent.envelope())
  await eventually(t, 'the worker is at work', () => seen.length === 1)
  // as a command of a connection that was given up and reaches the server after all: between XADD and the worker's own read
  await redis.multi().xadd(stream, '*', 'm', Buffer.concat([Buffer.from([1, 0]), Buffer.alloc(22), Buffer.from([0, 0, 0, 9])]))
    .xreadgroup('GROUP', group, consumer, 'COUNT', 10, 'STREAMS', stream, '>').exec()
  await eventually(t, 'handed out', () => seen.includes(9))
  await eventually(t, 'and acknowledged', async () => (await redis.xpending(stream, group) as [number])[0] === 0)
  await reader.close()
})

test('stopping again and again before a message is stored makes no poison of it', { ...needsServices, timeout: 60_000 }, async (t) => {
  const place = await temporaryRedis(t)
  const sent = sender()
  const writer = await openTestQueue(t, { ...place, sides: 'write', partitions: 1 })
  for (let i = 0; i < 5; i++) writer.accept(sent.envelope())
  for (let stop = 0; stop < 8; stop++) {
    const reader = await openTestQueue(t, { ...place, sides: 'read', partitions: 1, leaseMs: 500 })
    let handed = false
    const hard = new AbortController()
    // the database is away: the handler gives up when the process must stop
    reader.consume(async () => {
      handed = true
      await new Promise((_resolve, reject) => { hard.signal.addEventListener('abort', () => { reject(new Error('stopped')) }) })
    }).catch(() => {})
    await eventually(t, `stop ${stop}`, () => handed)
    hard.abort()
    await reader.close(hard.signal)
  }
  const reader = await openTestQueue(t, { ...place, sides: 'read', partitions: 1, leaseMs: 500 })
  const seen: Envelope[] = []
  reader.consume(async ({ envelopes }) => { seen.push(...envelopes) }).catch(() => {})
  await eventually(t, 'all come', () => new Set(seen.map((envelope) => sent.numberOf(envelope))).size === 5)
  t.strictSame(seen.filter(({ poison }) => poison), [], 'none is poison')
  await reader.close()
})

test('a stopping worker gives up what it does not need at once and takes nothing back, while it finishes the rest', needsServices, async (t) => {
  const place = await temporaryRedis(t)
  const redis = client(t, place.url)
  const keys = keysOf(place.namespace)
  const leases = async (): Promise<string[]> => (await redis.mget([0, 1, 2, 3].map((n) => keys.lease(n)))).map((token) => token ?? '')
  const sent = sender()
  const writer = await openTestQueue(t, { ...place, sides: 'write', leaseMs: 60_000 })
  const reader = await openTestQueue(t, { ...place, sides: 'read', leaseMs: 60_000 })
  const free = gate()
  let handed = 0
  const consuming = reader.consume(async () => { handed++; await free.opened })
  await eventually(t, 'it holds all', async () => (await leases()).every((token) => token !== ''))
  writer.accept(sent.envelope())
  await eventually(t, 'a message is in its hands', () => handed === 1)
  const closing = reader.close()
  await eventually(t, 'it keeps only the partition of that message', async () => (await leases()).filter((token) => token !== '').length === 1)
  await new Promise((resolve) => setTimeout(resolve, 300))
  t.equal((await leases()).filter((token) => token !== '').length, 1, 'and takes none back')
  free.open()
  await closing
  await consuming
  t.strictSame(await leases(), ['', '', '', ''])
})

test('a hard stop is heard while a soft one waits for a Redis that stands still, and waits for nothing', needsServices, async (t) => {
  const server = await ownRedis(t)
  const queue = await openTestQueue(t, { url: server.url, namespace: 'n', timeoutMs: 30_000 })
  const sent = sender()
  queue.consume(async () => {}).catch(() => {})
  queue.accept(sent.envelope())
  await eventually(t, 'at work', () => sent.outcomes[0]?.[0] === null)
  server.freeze()
  queue.accept(sent.envelope())
  const closing = queue.close()
  const hard = new AbortController()
  const closingHard = queue.close(hard.signal)
  await new Promise((resolve) => setTimeout(resolve, 100))
  t.equal(sent.outcomes[1], undefined, 'soft: it waits')
  hard.abort()
  await Promise.all([closing, closingHard])
  const [outcome] = sent.outcomes[1] ?? []
  t.ok(outcome instanceof PulsegateError && outcome.code === 'QUEUE_CLOSED')
  server.thaw()
})
