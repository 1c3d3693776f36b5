// What becomes of the messages a worker had in its hands when it dies, freezes, or stops. The workers are processes; leases are real.
import { type ChildProcess, fork } from 'node:child_process'
import { on, once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { type Test, test } from 'tap'
import { Redis } from 'ioredis'
import { group, keysOf } from '../../../queue/redis/keys.ts'
import { type RedisQueue } from '../../../queue/redis/redis-queue.ts'
import { shareOf } from '../../../queue/redis/holdings.ts'
import { sender } from '../../fixtures/envelopes.ts'
import { openTestQueue } from '../../fixtures/redis-queue.ts'
import { temporaryRedis } from '../../services/redis.ts'
import { needsServices } from '../../services/skip.ts'

const main = fileURLToPath(import.meta.resolve('#package')).replace(/package\.json$/, 'dist/test/fixtures/redis-worker.js')

interface Place { readonly url: string, readonly namespace: string }
interface Heard { readonly batch?: Array<{ payload: string, poison: boolean }>, readonly check?: { detail: Record<string, unknown> } }

function startWorker (t: Test, place: Place, options: { leaseMs: number, deadly?: string }): ChildProcess {
  const child = fork(main, [JSON.stringify({ ...place, ...options })], { execArgv: [] })
  t.teardown(() => { child.kill('SIGKILL') })
  return child
}

async function until (child: ChildProcess, wanted: (heard: Heard) => boolean): Promise<Heard> {
  for await (const [heard] of on(child, 'message') as AsyncIterable<[Heard]>) if (wanted(heard)) return heard
  throw new Error('the worker said nothing more')
}

async function open (t: Test, options: Parameters<typeof openTestQueue>[1] = {}): Promise<{ place: Place, writer: RedisQueue, redis: Redis, pending: () => Promise<number> }> {
  const place = await temporaryRedis(t)
  const writer = await openTestQueue(t, { ...place, sides: 'write', partitions: 1, ...options })
  const redis = new Redis(place.url)
  t.teardown(() => { redis.disconnect() })
  const stream = keysOf(place.namespace).stream(0)
  const pending = async (): Promise<number> => (await redis.xpending(stream, group) as [number])[0]
  return { place, writer, redis, pending }
}

async function eventually (t: Test, what: string, reached: () => Promise<boolean>): Promise<void> {
  for (const deadline = Date.now() + 20_000; !await reached();) {
    if (Date.now() > deadline) { t.fail(`in vain: ${what}`); return }
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  t.pass(what)
}

test('a share is never too small for all partitions to be held', (t) => {
  for (let workers = 1; workers <= 40; workers++) t.ok(shareOf(16, workers) * workers >= 16)
  t.equal(shareOf(16, 0), 16)
  t.end()
})

test('what a killed worker had in its hands is handed out by another, in order', needsServices, async (t) => {
  const { place, writer, pending } = await open(t)
  const sent = sender()
  const first = startWorker(t, place, { leaseMs: 600 })
  for (let i = 0; i < 20; i++) writer.accept(sent.envelope())
  await until(first, ({ batch }) => batch !== undefined)
  first.kill('SIGKILL')
  await eventually(t, 'all are in the dead worker’s hands', async () => await pending() > 0)
  const reader = await openTestQueue(t, { ...place, sides: 'read', partitions: 1, leaseMs: 600 })
  const seen: number[] = []
  const consuming = reader.consume(async ({ envelopes }) => { seen.push(...envelopes.map((envelope) => sent.numberOf(envelope))) })
  await eventually(t, 'handled', async () => seen.length >= 20)
  await reader.close()
  await consuming
  t.strictSame(seen, Array.from({ length: 20 }, (_, i) => i))
  t.equal(await pending(), 0)
})

test('a worker frozen beyond its lease can neither acknowledge nor read when it wakes', needsServices, async (t) => {
  const { place, writer, redis, pending } = await open(t)
  const sent = sender()
  const frozen = startWorker(t, place, { leaseMs: 600 })
  writer.accept(sent.envelope())
  await until(frozen, ({ batch }) => batch !== undefined)
  frozen.kill('SIGSTOP')
  const reader = await openTestQueue(t, { ...place, sides: 'read', partitions: 1, leaseMs: 600 })
  let release = (): void => {}
  const held = new Promise<void>((resolve) => { release = resolve })
  let taken = 0
  const consuming = reader.consume(async ({ envelopes }) => { taken += envelopes.length; await held })
  await eventually(t, 'the other worker has taken the message over', async () => taken === 1)
  const lease = await redis.get(keysOf(place.namespace).lease(0))
  frozen.kill('SIGCONT')
  frozen.send('settle') // as if its transaction had committed just now
  writer.accept(sent.envelope())
  await eventually(t, 'the new message goes to who holds the lease', async () => await pending() === 2)
  t.equal(await redis.get(keysOf(place.namespace).lease(0)), lease, 'the lease has not moved')
  t.equal(await pending(), 2, 'nothing was acknowledged by who does not hold it')
  release()
  await eventually(t, 'acknowledged by its holder', async () => await pending() === 0)
  await reader.close()
  await consuming
})

test('a worker that stops hands its partitions over at once, not after its lease', needsServices, async (t) => {
  const { place, writer } = await open(t, { partitions: 4 })
  const sent = sender()
  const leaseMs = 60_000
  const one = await openTestQueue(t, { ...place, sides: 'read', leaseMs })
  const consumingOne = one.consume(async () => {})
  await eventually(t, 'the only worker holds all', async () => held(one) === 4)
  const two = await openTestQueue(t, { ...place, sides: 'read', leaseMs })
  const seen: number[] = []
  const consumingTwo = two.consume(async ({ envelopes }) => { seen.push(...envelopes.map((envelope) => sent.numberOf(envelope))) })
  await one.close()
  await consumingOne
  writer.accept(sent.envelope())
  await eventually(t, 'the other one reads on', async () => seen.length === 1)
  await two.close()
  await consumingTwo
})

test('workers share the partitions evenly when one more comes', needsServices, async (t) => {
  const { place } = await open(t, { partitions: 6 })
  const redis = new Redis(place.url)
  t.teardown(() => { redis.disconnect() })
  const queues: RedisQueue[] = []
  for (let i = 0; i < 3; i++) {
    const queue = await openTestQueue(t, { ...place, sides: 'read', partitions: 6, leaseMs: 1_000 })
    queue.consume(async () => {}).catch(() => {})
    queues.push(queue)
  }
  const holders = async (): Promise<string[]> => (await redis.mget(Array.from({ length: 6 }, (_, i) => keysOf(place.namespace).lease(i))))
    .map((token) => token?.split(':')[0] ?? '')
  await eventually(t, 'two each', async () => {
    const all = await holders()
    return queues.length === 3 && new Set(all).size === 3 && all.every((holder) => holder !== '' && all.filter((other) => other === holder).length === 2)
  })
})

test('a message that workers die of is set apart, and only that one', { ...needsServices, timeout: 120_000 }, async (t) => {
  const { place, writer, pending } = await open(t)
  const publisher = '00000000-0000-4000-8000-000000000001'
  const payloads = ['aa01', 'aa02', 'deadbeef', 'aa03', 'aa04']
  for (const payload of payloads) writer.accept({ publisher, kind: 'telemetry', payload: Buffer.from(payload, 'hex'), receivedAtMs: 1, settle () {} })
  const seen: Array<{ payload: string, poison: boolean }> = []
  let deaths = 0
  while (new Set(seen.map(({ payload }) => payload)).size < payloads.length && deaths < 20) {
    const worker = startWorker(t, place, { leaseMs: 500, deadly: 'deadbeef' })
    worker.on('message', ({ batch }: Heard) => { if (batch !== undefined) seen.push(...batch) })
    const done = new AbortController()
    const finished = (async () => { while (!done.signal.aborted && (await pending().catch(() => 1) > 0 || seen.length < payloads.length)) await new Promise((resolve) => setTimeout(resolve, 50, undefined)) })()
    await Promise.race([once(worker, 'exit', { signal: done.signal }).catch(() => {}), finished])
    done.abort()
    if (worker.exitCode === null && worker.signalCode === null) worker.kill('SIGTERM')
    else deaths++
  }
  t.ok(deaths >= 2 && deaths <= 6, `it took ${deaths} deaths`)
  t.strictSame(seen.filter(({ poison }) => poison).map(({ payload }) => payload), ['deadbeef'])
  t.strictSame([...new Set(seen.map(({ payload }) => payload))].sort(), [...payloads].sort())
})

function held (queue: RedisQueue): unknown {
  return queue.check().detail?.['held']
}
