// Flow: what is bounded, and that nothing is dropped at a bound. A flood is paused and taken later, an unfinished packet
// is refused at its header, a peer that does not read is closed, and an outage of the database disconnects nobody.
import { randomUUID } from 'node:crypto'
import { setTimeout } from 'node:timers/promises'
import { generate } from 'mqtt-packet'
import { test } from 'tap'
import { type Envelope } from '../../queue/queue.ts'
import { eventually, startTestBroker, type RawClient } from '../fixtures/broker.ts'

const pingreq = Buffer.from([0xc0, 0])
const disconnect = Buffer.from([0xe0, 0])

function publishes (client: RawClient, from: number, to: number, payload: Buffer | string = 'x'): Buffer {
  const frames: Buffer[] = []
  for (let id = from; id <= to; id++) frames.push(client.publish(id, payload))
  return Buffer.concat(frames)
}

function upTo (count: number): number[] {
  return Array.from({ length: count }, (_, i) => i + 1)
}

test('a flood with acknowledgements withheld stays at the cap, is resumed, and all of it is acknowledged once, in order [C7] [C8]', async (t) => {
  const { client, pki, queue, broker } = await startTestBroker(t, { limits: { maxInFlightMessages: 64 } })
  const flooder = await client(await pki.device())
  const other = await client(await pki.device())
  queue.held = true
  flooder.send(publishes(flooder, 1, 20_000))
  await queue.has(64)
  other.send(other.publish(1)) // has come in: the flooder had its chance to go over
  await queue.has(65)
  await setTimeout(50)
  t.equal(queue.waiting.length, 65, '64 of the flooder and one of the other')
  t.match(broker.stats(), { paused: 1, inFlight: { messages: 65 } })
  queue.release()
  t.strictSame(await flooder.acked(20_000), upTo(20_000))
  await setTimeout(20)
  t.equal(flooder.pubacks.length, 20_000)
  t.match(broker.stats(), { paused: 0, received: 20_001, pubacksSent: 20_001, inFlight: { messages: 0, bytes: 0 } })
})

test('bytes bind as messages do', async (t) => {
  const { client, pki, queue, broker } = await startTestBroker(t, { limits: { maxInFlightBytes: 100_000 } })
  const flooder = await client(await pki.device())
  queue.held = true
  flooder.send(publishes(flooder, 1, 40, Buffer.alloc(30_000)))
  await queue.has(4)
  await setTimeout(50)
  t.equal(queue.waiting.length, 4, 'the fourth reaches the bound')
  t.equal(broker.stats().inFlight.bytes, 120_000)
  queue.release()
  t.equal((await flooder.acked(40)).length, 40)
})

test('the budget of all connections is shared out fairly', async (t) => {
  const { client, pki, queue, broker } = await startTestBroker(t, { limits: { maxTotalMessages: 100, maxInFlightMessages: 64 } })
  const clients = []
  for (const device of await pki.devices(Array.from({ length: 6 }, () => randomUUID()))) clients.push(await client(device))
  queue.held = true
  for (const c of clients) c.send(publishes(c, 1, 500))
  await queue.has(100)
  await setTimeout(50)
  t.ok(queue.waiting.length >= 100 && queue.waiting.length <= 106, 'at most one over for each')
  t.ok(broker.stats().paused >= 5)
  queue.release()
  await Promise.all(clients.map(async (c) => { await c.acked(500) }))
  for (const c of clients) t.strictSame(c.pubacks, upTo(500))
  t.match(broker.stats(), { paused: 0, inFlight: { messages: 0, bytes: 0 }, pubacksSent: 3_000 })
})

test('acknowledgements that are due together leave in one write', async (t) => {
  const { client, pki, queue } = await startTestBroker(t)
  const c = await client(await pki.device())
  queue.held = true
  c.send(publishes(c, 1, 50))
  await queue.has(50)
  let chunks = 0
  c.socket.on('data', () => { chunks++ })
  const [first, ...rest] = queue.waiting.splice(0) as [Envelope, ...Envelope[]]
  for (const envelope of rest.reverse()) envelope.settle(null)
  await setTimeout(20)
  t.strictSame(c.pubacks, [], 'all but the first are settled, none may leave')
  first.settle(null)
  t.strictSame(await c.acked(50), upTo(50))
  t.equal(chunks, 1)
})

test('60 MB of an unfinished packet are refused at the header, before and after CONNECT [C7]', async (t) => {
  const { client, tls, pki, broker } = await startTestBroker(t)
  const header = Buffer.from([0x10, 0x80, 0x80, 0x80, 0x1e]) // CONNECT of 60 MiB
  const early = await tls(await pki.device())
  const late = await client(await pki.device())
  const before = process.memoryUsage()
  early.send(header)
  header[0] = 0x32
  late.send(header)
  for (const c of [early, late]) {
    const chunk = Buffer.alloc(1024 * 1024)
    for (let i = 0; i < 60 && !c.isClosed; i++) if (!c.socket.write(chunk)) await Promise.race([new Promise((resolve) => { c.socket.once('drain', resolve) }), c.closed])
    await c.closed
  }
  t.equal(broker.stats().refused['frame-too-large'], 2)
  const after = process.memoryUsage()
  t.ok(after.arrayBuffers - before.arrayBuffers < 20 * 1024 * 1024, `${after.arrayBuffers - before.arrayBuffers} bytes, most of them the sender's`)
})

test('a peer that does not read what we write is bounded, then closed [C7]', async (t) => {
  const { client, pki, broker, queue } = await startTestBroker(t, { limits: { writeStallMs: 300 } })
  const deaf = await client(await pki.device())
  deaf.send(generate({ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic: `v1/${deaf.id}/command`, qos: 1 }] }))
  await deaf.next('suback')
  deaf.socket.pause()
  const flood = Buffer.concat([publishes(deaf, 1, 1_000), ...Array.from({ length: 1_000 }, () => pingreq)])
  for (let i = 0; i < 2_000 && broker.stats().refused['write-stalled'] === undefined; i++) {
    deaf.socket.write(flood)
    await broker.command(deaf.id, Buffer.alloc(64 * 1024)).catch(() => {}) // fills the buffers of the kernel sooner
    await setTimeout(1)
  }
  await eventually(() => broker.stats().refused['write-stalled'] === 1, 'write-stalled')
  const taken = queue.all.length
  deaf.socket.destroy()
  await eventually(() => broker.stats().connections === 0, 'the connection to be gone')
  t.equal(queue.all.length, taken)
  t.match(broker.stats(), { inFlight: { messages: 0, bytes: 0 } })
})

test('nothing behind CONNECT is looked at before CONNACK 0 has gone out [C2]', async (t) => {
  const { tls, pki, queue, registry } = await startTestBroker(t)
  let admit: () => void = () => {}
  const admission = registry.admit.bind(registry)
  registry.admit = async (id) => {
    await new Promise<void>((resolve) => { admit = resolve })
    return await admission(id)
  }
  const c = await tls(await pki.device())
  c.send(c.connect(), c.publish(1), c.publish(2), pingreq)
  await setTimeout(100)
  t.equal(queue.all.length, 0)
  t.strictSame(c.packets, [])
  admit()
  await c.acked(2)
  await c.next('pingresp')
  t.equal(c.packets[0]?.cmd, 'connack')
})

test('CONNECT, PUBLISH and DISCONNECT in one write: the message is stored and acknowledged before the goodbye', async (t) => {
  const { tls, pki, queue } = await startTestBroker(t)
  queue.held = true
  const c = await tls(await pki.device())
  c.send(c.connect(), c.publish(1), c.publish(2), disconnect, c.publish(3))
  await queue.has(2)
  await setTimeout(50)
  t.notOk(c.isClosed, 'DISCONNECT waits behind what is due')
  queue.release()
  await c.closed
  t.strictSame(c.pubacks, [1, 2])
  t.equal(queue.all.length, 2, 'nothing after DISCONNECT is looked at')
})

test('a device that has closed its half is still owed its acknowledgements', async (t) => {
  const { client, pki, queue } = await startTestBroker(t)
  const c = await client(await pki.device())
  queue.held = true
  c.send(c.publish(1))
  c.socket.end()
  await queue.has(1)
  await setTimeout(50)
  queue.release()
  await c.closed
  t.strictSame(c.pubacks, [1])
})

test('silence beyond one and a half keepalives ends a connection; while we do not read it, it is spoken to instead', async (t) => {
  const { client, pki, queue, broker } = await startTestBroker(t, { limits: { maxInFlightMessages: 8 } })
  const silent = await client(await pki.device(), { keepalive: 1 })
  const stalled = await client(await pki.device(), { keepalive: 1 })
  queue.held = true
  stalled.send(publishes(stalled, 1, 20), pingreq) // at its bound: neither the rest nor the PINGREQ can be read
  await silent.closed
  t.equal(broker.stats().refused['keepalive-timeout'], 1)
  await stalled.next('pingresp')
  await stalled.next('pingresp')
  await stalled.next('pingresp')
  t.notOk(stalled.isClosed, 'three answers ahead are more than one and a half keepalives')
  queue.release()
  t.strictSame(await stalled.acked(20), upTo(20))
})

test('a message that was not stored is not acknowledged, nor any after it; the connection ends so that the device sends again [C8] [C16]', async (t) => {
  const { client, pki, queue, broker } = await startTestBroker(t)
  const c = await client(await pki.device())
  queue.held = true
  c.send(publishes(c, 1, 4))
  await queue.has(4)
  const [one, two, three, four] = queue.waiting.splice(0) as [Envelope, Envelope, Envelope, Envelope]
  one.settle(null)
  three.settle(null)
  two.settle(new Error('the queue is full'))
  four.settle(null)
  await c.closed
  t.strictSame(c.pubacks, [1])
  t.match(broker.stats(), { received: 4, messagesRefused: 1, refused: { 'not-stored': 1 }, inFlight: { messages: 0, bytes: 0 } })
})

test('QoS 0 is taken, counted and promised nothing', async (t) => {
  const { client, pki, queue, broker } = await startTestBroker(t, { limits: { maxInFlightMessages: 4 } })
  const c = await client(await pki.device())
  queue.held = true
  for (let i = 0; i < 10; i++) c.send(c.publish(0, 'x', { qos: 0 }))
  await queue.has(4)
  await setTimeout(30)
  t.equal(queue.waiting.length, 4, 'it is bounded like QoS 1')
  queue.release()
  await queue.has(10)
  c.send(c.publish(1))
  t.strictSame(await c.acked(1), [1])
  t.match(broker.stats(), { received: 11, pubacksSent: 1, inFlight: { messages: 0, bytes: 0 } })
})

test('the cap on sockets holds [C7]', async (t) => {
  const { client, tls, pki, broker } = await startTestBroker(t, { limits: { maxConnections: 2 } })
  await client(await pki.device())
  await client(await pki.device())
  await (await tls(await pki.device())).closed
  t.equal(broker.stats().refused['too-many-connections'], 1)
})
