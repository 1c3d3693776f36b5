// What waits in a worker's hands for something of its own (a data key) stops neither the messages that must go alone nor the handing over of
// its partition.
import { type Test, test } from 'tap'
import { Redis } from 'ioredis'
import { consumer, group, keysOf } from '../../../queue/redis/keys.ts'
import { type Batch, type Envelope, type Waiting } from '../../../queue/queue.ts'
import { type RedisQueue } from '../../../queue/redis/redis-queue.ts'
import { gate } from '../../fixtures/envelopes.ts'
import { openTestQueue, type TestQueueOptions } from '../../fixtures/redis-queue.ts'
import { temporaryRedis } from '../../services/redis.ts'
import { needsServices } from '../../services/skip.ts'

async function eventually (t: Test, what: string, reached: () => boolean | Promise<boolean>): Promise<void> {
  for (const deadline = Date.now() + 20_000; !await reached();) {
    if (Date.now() > deadline) { t.fail(`in vain: ${what}`); return }
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
  t.pass(what)
}

function envelope (text: string, publisher = 1): Envelope {
  return { publisher: `00000000-0000-4000-8000-${String(publisher).padStart(12, '0')}`, kind: 'telemetry', payload: Buffer.from(text), receivedAtMs: 1, settle () {} }
}

/** Consumes; what begins with `waits` waits until the key is there. */
async function open (t: Test, options: TestQueueOptions): Promise<{ queue: RedisQueue, seen: string[], keyIsThere: () => void }> {
  const queue = await openTestQueue(t, { ...options, sides: 'read' })
  const key = gate()
  const seen: string[] = []
  queue.consume(async ({ envelopes }: Batch): Promise<Waiting | void> => {
    seen.push(...envelopes.map(({ payload }) => payload.toString()))
    const waiting = envelopes.filter(({ payload }) => payload.toString().startsWith('waits'))
    if (waiting.length > 0) return { envelopes: waiting, durable: key.opened }
  }).catch(() => {})
  return { queue, seen, keyIsThere: key.open }
}

/** A place whose only partition holds `texts`; those with `suspect` in their name were in the hands of two workers that died. */
async function withSuspects (t: Test, ...texts: string[]): Promise<{ options: TestQueueOptions, writer: RedisQueue, pending: () => Promise<number>, suspects: () => Promise<Record<string, string>> }> {
  const options = { ...await temporaryRedis(t), partitions: 1 }
  const keys = keysOf(options.namespace)
  const redis = new Redis(options.url)
  t.teardown(() => { redis.disconnect() })
  const writer = await openTestQueue(t, { ...options, sides: 'write' })
  for (const text of texts) writer.accept(envelope(text))
  await eventually(t, 'all are written', () => writer.depth.messages === 0)
  const stream = keys.stream(0)
  await redis.xgroup('CREATE', stream, group, '0', 'MKSTREAM')
  const read = await redis.xreadgroup('GROUP', group, consumer, 'COUNT', 100, 'STREAMS', stream, '>')
  const ids = read?.[0]?.[1].map(([id]) => id) ?? []
  const twice = ids.filter((_, i) => texts[i]?.includes('suspect'))
  await redis.call('XCLAIM', stream, group, consumer, '0', ...twice, 'RETRYCOUNT', '2')
  return {
    options,
    writer,
    pending: async () => (await redis.xpending(stream, group) as [number])[0],
    suspects: () => redis.hgetall(keys.suspects(0))
  }
}

test('a message that must go alone goes while another waits', needsServices, async (t) => {
  const { options, writer, pending } = await withSuspects(t, 'waits', 'suspect')
  const { seen, keyIsThere } = await open(t, options)
  await eventually(t, 'the suspect is handed out', () => seen.includes('suspect'))
  writer.accept(envelope('after'))
  await eventually(t, 'and so is what comes after it', () => seen.includes('after'))
  await eventually(t, 'only what waits is not acknowledged', async () => await pending() === 1)
  keyIsThere()
  await eventually(t, 'until it is stored', async () => await pending() === 0)
  t.strictSame(seen, ['waits', 'suspect', 'after'], 'each once')
})

test('a message that went alone and waits leaves the others their turn, and nobody has died of it', needsServices, async (t) => {
  const { options, writer, pending, suspects } = await withSuspects(t, 'waits: suspect')
  const { seen, keyIsThere } = await open(t, options)
  writer.accept(envelope('after'))
  await eventually(t, 'what comes after it is handed out', () => seen.includes('after'))
  await eventually(t, 'only what waits is not acknowledged', async () => await pending() === 1)
  t.strictSame(Object.values(await suspects()), ['0'], 'it does not count as a try it may have died of')
  keyIsThere()
  await eventually(t, 'until it is stored', async () => await pending() === 0)
  t.strictSame(await suspects(), {})
})

test('a partition is handed over while one of its messages waits; the next holder has that one too', needsServices, async (t) => {
  const options = { ...await temporaryRedis(t), partitions: 2, leaseMs: 1_000 }
  const writer = await openTestQueue(t, { ...options, sides: 'write' })
  const one = await open(t, options)
  const publishers = Array.from({ length: 20 }, (_, n) => n)
  for (const n of publishers) writer.accept(envelope(`waits ${n}`, n))
  await eventually(t, 'the only worker has all of them', () => one.seen.length === publishers.length)
  t.equal(one.queue.check().detail?.['held'], 2)
  const two = await open(t, options)
  await eventually(t, 'each worker has a partition', () => [one, two].every(({ queue }) => queue.check().detail?.['held'] === 1))
  for (const n of publishers) writer.accept(envelope(`after ${n}`, n))
  const after = (seen: string[]): string[] => seen.filter((text) => text.startsWith('after'))
  await eventually(t, 'both are read', () => after([...one.seen, ...two.seen]).length === publishers.length)
  t.ok(after(one.seen).length > 0 && after(two.seen).length > 0)
  const numbers = (seen: string[]): string[] => seen.map((text) => text.split(' ')[1] ?? '').sort()
  const waits = two.seen.filter((text) => text.startsWith('waits'))
  t.strictSame(numbers(waits), numbers(after(two.seen)), 'what waited in the partition goes with it')
  const redis = new Redis(options.url)
  t.teardown(() => { redis.disconnect() })
  const pending = async (): Promise<number[]> => Promise.all([0, 1].map(async (n) => (await redis.xpending(keysOf(options.namespace).stream(n), group) as [number])[0]))
  const here = publishers.length - waits.length
  one.keyIsThere()
  await eventually(t, 'who holds a partition acknowledges its own', async () => (await pending()).reduce((a, b) => a + b) === publishers.length - here)
  two.keyIsThere()
  await eventually(t, 'and the next holder the rest', async () => (await pending()).every((count) => count === 0))
})

test('a worker that stops gives its partitions back at once, whatever waits in its hands', needsServices, async (t) => {
  const options = { ...await temporaryRedis(t), partitions: 1, leaseMs: 60_000 }
  const writer = await openTestQueue(t, { ...options, sides: 'write' })
  const one = await open(t, options)
  writer.accept(envelope('waits'))
  await eventually(t, 'it waits', () => one.seen.length === 1)
  const two = await open(t, options)
  const closing = one.queue.close()
  await eventually(t, 'the other one has it', () => two.seen.includes('waits'))
  one.keyIsThere()
  two.keyIsThere()
  await closing
})
