// Several brokers, with a real bus on a real Redis and real mutual TLS: one session of a device, wherever it connects; a double one
// that arose while Redis was away is resolved; a certificate that one broker knows to be revoked is refused by all.
import { randomUUID } from 'node:crypto'
import { cp, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { Redis } from 'ioredis'
import { generate } from 'mqtt-packet'
import { test, type Test } from 'tap'
import { type TlsFiles } from '../../broker/broker.ts'
import { type Limits } from '../../broker/limits.ts'
import { type BusMessage, decodeBusMessage, encodeBusMessage } from '../../queue/redis/bus-messages.ts'
import { eventually, startTestBroker, type RawClient, type TestBroker } from '../fixtures/broker.ts'
import { startTestBus, type TestBus } from '../fixtures/bus.ts'
import { createPki, type Pki } from '../fixtures/pki.ts'
import { ownRedis, temporaryRedis } from '../services/redis.ts'
import { needsServices } from '../services/skip.ts'

interface Where { readonly url: string, readonly namespace: string, readonly timeoutMs?: number }
interface Member extends TestBroker, TestBus {}

async function member (t: Test, where: Where, pki: Pki, tls: TlsFiles = pki.files, limits: Partial<Limits> = {}): Promise<Member> {
  const bus = await startTestBus(t, where) // before the broker: it goes after it
  const broker = await startTestBroker(t, { pki, tls, limits, peers: bus.bus })
  await eventually(() => bus.bus.fault === null, 'the bus to be open')
  return { ...bus, ...broker }
}

async function twoBrokers (t: Test, where: Where, limits: Partial<Limits> = {}): Promise<{ a: Member, b: Member, pki: Pki }> {
  const pki = await createPki(t)
  const a = await member(t, where, pki, pki.files, limits)
  const b = await member(t, where, pki, pki.files, limits)
  return { a, b, pki }
}

/** The files of the pki as they are now, in a folder of their own: revoking leaves them as they are. */
async function copyOf (t: Test, { files }: Pki): Promise<TlsFiles> {
  const directory = await mkdtemp(join(tmpdir(), 'pulsegate-lists-'))
  t.teardown(() => rm(directory, { recursive: true, force: true }))
  const copy = async (file: string): Promise<string> => {
    await cp(file, join(directory, basename(file)))
    return join(directory, basename(file))
  }
  return { ...files, crlFiles: await Promise.all(files.crlFiles.map(copy)) }
}

async function publishes (t: Test, client: RawClient, packetId: number): Promise<void> {
  client.send(client.publish(packetId))
  await client.acked(client.pubacks.length + 1)
  t.equal(client.pubacks.at(-1), packetId, 'the session lives')
}

test('a device that connects to another broker displaces its session at the first within a second, there and back', needsServices, async (t) => {
  const { a, b, pki } = await twoBrokers(t, await temporaryRedis(t))
  const [device, bystander] = [await pki.device(), await pki.device()]
  const other = await a.client(bystander)
  let older = await a.client(device)
  for (const [round, next] of [b, a, b].entries()) {
    const newer = await next.client(device)
    const since = performance.now()
    await older.closed
    t.ok(performance.now() - since < 1_000)
    await publishes(t, newer, round + 1)
    older = newer
  }
  t.match(a.broker.stats(), { sessions: 1, refused: { displaced: 2 } })
  t.match(b.broker.stats(), { sessions: 1, refused: { displaced: 1 } })
  await publishes(t, other, 9)
})

test('what another broker tells of a device that lives here: a newer session ends ours, an older one is answered with ours', needsServices, async (t) => {
  const where = await temporaryRedis(t)
  const a = await member(t, where, await createPki(t))
  const device = await a.pki.device()
  const [told, other] = [new Redis(where.url), new Redis(where.url)]
  t.teardown(() => { for (const redis of [told, other]) redis.disconnect() })
  const heard: BusMessage[] = []
  told.on('message', (_channel, text) => { heard.push(decodeBusMessage(text) as BusMessage) })
  await told.subscribe(`${where.namespace}:events`)
  const tell = async (from: string, sinceMs: number) => await other.publish(`${where.namespace}:events`, encodeBusMessage({ from, type: 'begun', sessions: [{ id: device.id, sinceMs }] }))
  const answers = () => heard.flatMap((message) => message.from === a.bus.brokerId && message.type === 'begun' ? message.sessions.filter(({ id }) => id === device.id) : [])
  const live = await a.client(device)
  await eventually(() => answers().length === 1, 'the session to be told')
  const [{ sinceMs } = { sinceMs: NaN }] = answers()
  await tell('other', sinceMs - 1)
  await eventually(() => answers().length === 2, 'an answer')
  await tell('-', sinceMs) // the same time, and an id that comes before any UUID
  await eventually(() => answers().length === 3, 'an answer')
  t.ok(answers().every((mark) => mark.sinceMs === sinceMs))
  await publishes(t, live, 1)
  await tell(a.bus.brokerId, sinceMs + 1) // an echo is none of its business
  await tell('zzz', sinceMs) // after any UUID
  await live.closed
  t.equal(a.broker.stats().refused['displaced'], 1)
  await tell('other', sinceMs + 3_600_000) // a clock an hour ahead
  const next = await a.client(device)
  await eventually(() => answers().length === 4)
  t.ok((answers().at(-1)?.sinceMs ?? 0) > sinceMs, 'the session that comes after is newer')
  await publishes(t, next, 2)
})

test('a persistent session is of one broker: at another there is none, and what was displaced is still there to come back to', needsServices, async (t) => {
  const { a, b, pki } = await twoBrokers(t, await temporaryRedis(t))
  const device = await pki.device()
  const connects = async (at: Member): Promise<{ client: RawClient, sessionPresent: boolean }> => {
    const client = await at.tls(device)
    client.send(client.connect({ clean: false }))
    return { client, sessionPresent: (await client.next('connack')).sessionPresent }
  }
  const first = await connects(a)
  first.client.send(generate({ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic: `v1/${device.id}/command`, qos: 1 }] }))
  await first.client.next('suback')
  const second = await connects(b)
  await first.client.closed
  await t.rejects(b.broker.command(device.id, Buffer.from('x')), { code: 'DEVICE_AWAY' }, 'it must subscribe again')
  const third = await connects(a)
  await second.client.closed
  t.strictSame([first, second, third].map(({ sessionPresent }) => sessionPresent), [false, false, true])
})

test('brokers whose names of Redis keys differ do not hear each other', needsServices, async (t) => {
  const pki = await createPki(t)
  const a = await member(t, await temporaryRedis(t), pki)
  const b = await member(t, await temporaryRedis(t), pki)
  const device = await pki.device()
  const atA = await a.client(device)
  const atB = await b.client(device)
  await publishes(t, atB, 1)
  await publishes(t, atA, 2)
})

for (const away of ['killed', 'frozen'] as const) {
  test(`Redis ${away} and back: of double sessions the newer stays, single ones are not disturbed`, needsServices, async (t) => {
    const redis = await ownRedis(t)
    const { a, b, pki } = await twoBrokers(t, { url: redis.url, namespace: 'ward', timeoutMs: 500 })
    const singles = [await a.client(await pki.device()), await b.client(await pki.device())]
    const [one, two] = [await pki.device(), await pki.device()]
    const before = await a.client(one)
    if (away === 'killed') await redis.kill()
    else redis.freeze()
    await eventually(() => a.bus.fault !== null && b.bus.fault !== null, 'both to notice')
    const losers = [before, await b.client(two)]
    const winners = [await b.client(one), await a.client(two)]
    for (const [i, client] of [...losers, ...winners].entries()) await publishes(t, client, i + 1) // Redis away ends no session
    if (away === 'killed') await redis.start()
    else redis.thaw()
    await Promise.all(losers.map(({ closed }) => closed))
    await eventually(() => a.bus.fault === null && b.bus.fault === null, 'both to hear again')
    for (const [i, client] of [...winners, ...singles].entries()) await publishes(t, client, i + 10)
    t.match(a.broker.stats(), { sessions: 2, refused: { displaced: 1 } })
    t.match(b.broker.stats(), { sessions: 2, refused: { displaced: 1 } })
  })
}

test('a certificate revoked at one broker ends its session at the other, whose own list is old, and stays out [C4]', needsServices, async (t) => {
  const where = await temporaryRedis(t)
  const pki = await createPki(t)
  const old = await copyOf(t, pki)
  const a = await member(t, where, pki)
  const b = await member(t, where, pki, old)
  const [bad, good] = [await pki.device(), await pki.device()]
  const [live, other] = [await b.client(bad), await b.client(good)]
  await eventually(() => live.session !== undefined, 'a session ticket')
  await pki.authority.revoke(bad.id, 'keyCompromise')
  const since = performance.now()
  await a.broker.reloadCertificates()
  await live.closed
  t.ok(performance.now() - since < 1_000)
  t.equal(b.broker.stats().refused['certificate-revoked'], 1)
  const refused = async (at: Member, session?: Buffer) => {
    const client = await at.tls(bad, session === undefined ? {} : { session })
    if (!client.isClosed) client.send(client.connect())
    await client.closed
    t.strictSame(client.packets, [])
  }
  await refused(b)
  await refused(b, live.session)
  await b.broker.reloadCertificates() // its own files still do not have it
  await refused(b)
  t.equal(b.broker.stats().refused['certificate-revoked'], 4)
  const late = await member(t, where, pki, old)
  await refused(late)
  await publishes(t, other, 1)
})

test('a certificate revoked while Redis is away is known to the others when it is back [C4]', needsServices, async (t) => {
  const redis = await ownRedis(t)
  const where = { url: redis.url, namespace: 'ward', timeoutMs: 500 }
  const pki = await createPki(t)
  const old = await copyOf(t, pki)
  const a = await member(t, where, pki)
  const b = await member(t, where, pki, old)
  const bad = await pki.device()
  const live = await b.client(bad)
  await redis.kill()
  await eventually(() => a.bus.fault !== null && b.bus.fault !== null)
  await pki.authority.revoke(bad.id, 'keyCompromise')
  await a.broker.reloadCertificates()
  await publishes(t, live, 1)
  await redis.start()
  await live.closed
  t.equal(b.broker.stats().refused['certificate-revoked'], 1)
})

test('a copy that goes to another broker than the device is found there, and refused where that is the policy [C22]', needsServices, async (t) => {
  const { a, b, pki } = await twoBrokers(t, await temporaryRedis(t), { clonePolicy: 'refuse' })
  const id = randomUUID()
  const [older, newer, sentinel] = [pki.aged(id, 10), pki.aged(id, 1), await pki.device()]
  await eventually(() => b.bus.fault === null)
  const device = await a.client(newer)
  const before = await b.client(sentinel)
  await a.client(sentinel) // told after the certificate of the device, and heard after it
  await before.closed
  const copy = await b.tls(older)
  if (!copy.isClosed) copy.send(copy.connect())
  await copy.closed
  t.equal(b.broker.stats().refused['certificate-superseded'], 1)
  await publishes(t, device, 1)
})
