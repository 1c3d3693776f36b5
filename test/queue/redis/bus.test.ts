// The bus between brokers on a real Redis: what is told is heard, what was missed is told again, what is foreign is ignored, and an
// outage is one line in the log.
import { randomUUID } from 'node:crypto'
import { Redis } from 'ioredis'
import { test } from 'tap'
import { maxSharedRevocations, type CertificateUse, type Peers, type SessionMark } from '../../../queue/peers.ts'
import { eventually } from '../../fixtures/broker.ts'
import { startTestBus } from '../../fixtures/bus.ts'
import { ownRedis, temporaryRedis } from '../../services/redis.ts'
import { needsServices } from '../../services/skip.ts'

/** Listens on a bus and keeps what it hears; `sessions` and `revocations` are what it tells when asked for everything. */
function listenTo (peers: Peers) {
  const heard = { sessions: new Map<string, number>(), revoked: new Set<string>(), used: [] as CertificateUse[], messages: 0 }
  const own = { sessions: [] as SessionMark[], revocations: [] as string[] }
  peers.listen({
    begun (sessions) {
      heard.messages++
      for (const { id, sinceMs } of sessions) heard.sessions.set(id, sinceMs)
    },
    used (uses) { heard.used.push(...uses) },
    revoked (serials) { for (const serial of serials) heard.revoked.add(serial) },
    sessions: () => own.sessions,
    revocations: () => own.revocations
  })
  return { heard, own }
}

type Listening = ReturnType<typeof listenTo>

function begins (peers: Peers, { own }: Listening, mark: SessionMark): void {
  own.sessions.push(mark)
  peers.begun(mark)
}

/** Resolves when all is told that is told at the opening of the way. */
async function quiet (listening: Listening, peers: Peers, to: Listening): Promise<void> {
  const mark = { id: randomUUID(), sinceMs: 1 }
  begins(peers, listening, mark)
  await eventually(() => to.heard.sessions.has(mark.id), 'the way to be open and quiet')
  const next = { id: randomUUID(), sinceMs: 1 }
  begins(peers, listening, next)
  await eventually(() => to.heard.sessions.has(next.id), 'the way to be open and quiet')
  to.heard.sessions.clear()
  to.heard.messages = 0
}

function admin (t: { teardown (fn: () => void): void }, url: string): Redis {
  const redis = new Redis(url, { commandTimeout: 10_000 })
  t.teardown(() => { redis.disconnect() })
  return redis
}

test('what one broker tells the others hear, and it does not hear itself', needsServices, async (t) => {
  const redis = await temporaryRedis(t)
  const [a, b] = await Promise.all([startTestBus(t, redis), startTestBus(t, redis)])
  const [atA, atB] = [listenTo(a.bus), listenTo(b.bus)]
  await eventually(() => a.bus.fault === null && b.bus.fault === null, 'both to be open')
  const id = randomUUID()
  begins(a.bus, atA, { id, sinceMs: 7 })
  b.bus.revoked(['ABC123'])
  atB.own.revocations.push('ABC123')
  await eventually(() => atB.heard.sessions.get(id) === 7 && atA.heard.revoked.has('ABC123'), 'both to have heard')
  t.equal(atA.heard.sessions.size, 0)
  t.equal(atB.heard.revoked.size, 0)
  t.ok(await a.messages('sent') >= 1)
  t.ok(await b.messages('received') >= 1)
  t.equal(await b.messages('ignored'), 0)
})

test('sessions that begin together go out together, and more than the bound of news are told all the same', needsServices, async (t) => {
  const redis = await temporaryRedis(t)
  const [a, b] = await Promise.all([startTestBus(t, redis), startTestBus(t, redis)])
  const [atA, atB] = [listenTo(a.bus), listenTo(b.bus)]
  await eventually(() => a.bus.fault === null && b.bus.fault === null)
  await quiet(atA, a.bus, atB)
  const few = Array.from({ length: 400 }, () => ({ id: randomUUID(), sinceMs: 1 }))
  for (const mark of few) begins(a.bus, atA, mark)
  await eventually(() => atB.heard.sessions.size === 400)
  t.equal(atB.heard.messages, 1)
  const many = Array.from({ length: 10_500 }, () => ({ id: randomUUID(), sinceMs: 2 }))
  for (const mark of many) begins(a.bus, atA, mark)
  await eventually(() => many.every(({ id }) => atB.heard.sessions.has(id)), 'all to be told')
  t.ok(many.every(({ id }) => atB.heard.sessions.get(id) === 2))
})

test('foreign and malformed messages are ignored and counted', needsServices, async (t) => {
  const redis = await temporaryRedis(t)
  const { bus, messages } = await startTestBus(t, redis)
  const { heard } = listenTo(bus)
  await eventually(() => bus.fault === null)
  const other = admin(t, redis.url)
  const id = randomUUID()
  for (const text of ['', 'nonsense', '{"v":2,"from":"x","type":"begun","sessions":[]}', '{"v":1,"from":"x","type":"revoked","serials":["not hex"]}']) await other.publish(`${redis.namespace}:events`, text)
  await other.publish(`${redis.namespace}:events`, JSON.stringify({ v: 1, from: 'x', type: 'begun', sessions: [[id, 5]] }))
  await eventually(() => heard.sessions.get(id) === 5, 'the good one to be heard after them')
  t.equal(await messages('ignored'), 4)
  t.equal(await messages('received'), 1)
})

test('Redis killed and back: all is told again, revocations come from Redis too, and the outage is one line', needsServices, async (t) => {
  const redis = await ownRedis(t)
  const where = { url: redis.url, namespace: 'ward' }
  const [a, b] = await Promise.all([startTestBus(t, where), startTestBus(t, where)])
  const [atA, atB] = [listenTo(a.bus), listenTo(b.bus)]
  await eventually(() => a.bus.fault === null && b.bus.fault === null)
  atA.own.revocations.push('A1')
  a.bus.revoked(['A1'])
  await eventually(() => atB.heard.revoked.has('A1'))
  await redis.kill()
  await eventually(() => a.bus.fault !== null && b.bus.fault !== null, 'both to say so')
  t.match(a.bus.fault, /other brokers are not heard.*Redis/)
  t.notOk(a.bus.fault?.includes('@'), 'no password')
  const [ofA, ofB] = [{ id: randomUUID(), sinceMs: 3 }, { id: randomUUID(), sinceMs: 4 }]
  begins(a.bus, atA, ofA)
  begins(b.bus, atB, ofB)
  atA.own.revocations.push('A2')
  a.bus.revoked(['A2'])
  await redis.start()
  await eventually(() => a.bus.fault === null && b.bus.fault === null, 'both to be open again')
  await eventually(() => atB.heard.sessions.get(ofA.id) === 3 || atA.heard.sessions.get(ofB.id) === 4, 'one of them to hear of the other')
  await eventually(() => atB.heard.revoked.has('A2'), 'what was revoked meanwhile')
  t.equal(a.log.filter(({ level }) => level === 'warn').length, 1, 'one line for the outage')
  const late = await startTestBus(t, where)
  const atLate = listenTo(late.bus)
  await eventually(() => late.bus.fault === null, 'one that starts later to be open')
  t.strictSame(atLate.heard.revoked, new Set(['A1', 'A2']), 'and to know then')
})

test('a Redis that hangs is noticed within the time allowed, and all is told again when it goes on', needsServices, async (t) => {
  const redis = await ownRedis(t)
  const where = { url: redis.url, namespace: 'ward', timeoutMs: 300 }
  const [a, b] = await Promise.all([startTestBus(t, where), startTestBus(t, where)])
  const [atA, atB] = [listenTo(a.bus), listenTo(b.bus)]
  await eventually(() => a.bus.fault === null && b.bus.fault === null)
  redis.freeze()
  await eventually(() => a.bus.fault !== null && b.bus.fault !== null, 'the silence to be noticed')
  const [ofA, ofB] = [{ id: randomUUID(), sinceMs: 3 }, { id: randomUUID(), sinceMs: 4 }]
  begins(a.bus, atA, ofA)
  begins(b.bus, atB, ofB)
  redis.thaw()
  await eventually(() => atB.heard.sessions.get(ofA.id) === 3 || atA.heard.sessions.get(ofB.id) === 4, 'one of them to hear of the other')
  await eventually(() => a.bus.fault === null && b.bus.fault === null)
})

test('what was told into a connection that was dead already is told again', needsServices, async (t) => {
  const redis = await ownRedis(t)
  const where = { url: redis.url, namespace: 'ward' }
  const [a, b] = await Promise.all([startTestBus(t, where), startTestBus(t, where)])
  const [atA, atB] = [listenTo(a.bus), listenTo(b.bus)]
  await eventually(() => a.bus.fault === null && b.bus.fault === null)
  await quiet(atA, a.bus, atB)
  await quiet(atB, b.bus, atA)
  redis.freeze()
  const [ofA, ofB] = [{ id: randomUUID(), sinceMs: 3 }, { id: randomUUID(), sinceMs: 4 }]
  begins(a.bus, atA, ofA)
  begins(b.bus, atB, ofB)
  atA.own.revocations.push('DEAD')
  a.bus.revoked(['DEAD'])
  t.equal(a.bus.fault, null, 'not noticed yet')
  await new Promise((resolve) => { setTimeout(resolve, 50) }) // both have been written to the socket
  await redis.kill()
  await redis.start()
  await eventually(() => atB.heard.sessions.has(ofA.id) || atA.heard.sessions.has(ofB.id), 'one of them to hear of the other')
  await eventually(() => atB.heard.revoked.has('DEAD'))
})

test('opened while Redis is away it waits, and closed it leaves nothing', needsServices, async (t) => {
  const redis = await ownRedis(t)
  await redis.stop()
  const { bus, log } = await startTestBus(t, { url: redis.url, namespace: 'ward' })
  listenTo(bus)
  await eventually(() => log.length === 1, 'a line in the log')
  await redis.start()
  await eventually(() => bus.fault === null)
  const other = admin(t, redis.url)
  const count = async () => ((await other.client('LIST')) as string).split('\n').filter((line) => line.includes('name=pulsegate')).length
  const open = await count()
  bus.close()
  const deadline = Date.now() + 10_000
  while (await count() > 0 && Date.now() < deadline) await new Promise((resolve) => { setTimeout(resolve, 20) })
  t.equal(open, 2)
  t.equal(await count(), 0)
  bus.begun({ id: randomUUID(), sinceMs: 1 })
  bus.revoked(['A'])
  t.ok(bus.fault)
})

test('a connection that was ended by Redis is made anew', needsServices, async (t) => {
  const redis = await ownRedis(t)
  const where = { url: redis.url, namespace: 'ward' }
  const [a, b] = await Promise.all([startTestBus(t, where), startTestBus(t, where)])
  const [atA, atB] = [listenTo(a.bus), listenTo(b.bus)]
  await eventually(() => a.bus.fault === null && b.bus.fault === null)
  const other = admin(t, redis.url)
  for (const type of ['PUBSUB', 'NORMAL']) {
    await other.call('CLIENT', 'KILL', 'TYPE', type, 'SKIPME', 'yes')
    const [atAtoo, atBtoo] = [{ id: randomUUID(), sinceMs: 1 }, { id: randomUUID(), sinceMs: 2 }]
    begins(a.bus, atA, atAtoo)
    begins(b.bus, atB, atBtoo)
    await eventually(() => atB.heard.sessions.has(atAtoo.id) || atA.heard.sessions.has(atBtoo.id), `one to hear of the other after ${type}`)
    await eventually(() => a.bus.fault === null && b.bus.fault === null)
    await quiet(atA, a.bus, atB)
    await quiet(atB, b.bus, atA)
  }
})

test('the set of revocations is bounded: beyond it they are told and not kept, and that is said', needsServices, async (t) => {
  const redis = await temporaryRedis(t)
  const other = admin(t, redis.url)
  const serials = Array.from({ length: maxSharedRevocations }, (_, i) => (i + 1_048_576).toString(16).toUpperCase())
  for (let i = 0; i < serials.length; i += 10_000) await other.sadd(`${redis.namespace}:revoked`, ...serials.slice(i, i + 10_000))
  const [a, b] = await Promise.all([startTestBus(t, redis), startTestBus(t, redis)])
  const [atA, atB] = [listenTo(a.bus), listenTo(b.bus)]
  await eventually(() => a.bus.fault === null && b.bus.fault === null)
  t.equal(atB.heard.revoked.size, maxSharedRevocations, 'all that are kept have been read')
  atA.own.revocations.push('FFFFFFFF')
  a.bus.revoked(['FFFFFFFF'])
  await eventually(() => atB.heard.revoked.has('FFFFFFFF'))
  await eventually(() => a.bus.fault !== null)
  t.match(a.bus.fault, /not kept/)
  t.equal(await other.scard(`${redis.namespace}:revoked`), maxSharedRevocations)
})

test('a Redis that is full still carries revocations', needsServices, async (t) => {
  const redis = await ownRedis(t, { maxmemory: '3mb' })
  const where = { url: redis.url, namespace: 'ward' }
  const [a, b] = await Promise.all([startTestBus(t, where), startTestBus(t, where)])
  const [atA, atB] = [listenTo(a.bus), listenTo(b.bus)]
  await eventually(() => a.bus.fault === null && b.bus.fault === null)
  const other = admin(t, redis.url)
  await t.rejects((async () => { for (;;) await other.append('filler', 'x'.repeat(100_000)) })(), /OOM/)
  atA.own.revocations.push('F00D')
  a.bus.revoked(['F00D'])
  await eventually(() => atB.heard.revoked.has('F00D'), 'the others to hear of it')
  await eventually(() => a.bus.fault !== null)
  t.match(a.bus.fault, /not kept.*OOM/)
})
