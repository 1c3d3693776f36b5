// Sessions over their life: one for a device at any time, ended by revocation or the operator, drained without loss; wills
// and commands.
import { once } from 'node:events'
import { setTimeout } from 'node:timers/promises'
import { generate } from 'mqtt-packet'
import { test } from 'tap'
import { eventually, startTestBroker, type RawClient } from '../fixtures/broker.ts'

const disconnect = Buffer.from([0xe0, 0])

function subscribe (client: RawClient): Buffer {
  return generate({ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic: `v1/${client.id}/command`, qos: 1 }] })
}

test('a device that connects again displaces its older session, which is counted', async (t) => {
  const { client, pki, broker } = await startTestBroker(t)
  const device = await pki.device()
  const older = await client(device)
  const newer = await client(device)
  await older.closed
  newer.send(newer.publish(1))
  t.strictSame(await newer.acked(1), [1])
  t.match(broker.stats(), { sessions: 1, refused: { displaced: 1 } })
})

test('many connects of one id at once, over a session with a subscription, leave one session, and it can be ended', async (t) => {
  const { client, tls, pki, broker } = await startTestBroker(t)
  const device = await pki.device()
  const older = await client(device, { clean: false })
  older.send(subscribe(older))
  await older.next('suback')
  const racers = await Promise.all(Array.from({ length: 8 }, async () => await tls(device)))
  for (const racer of racers) racer.send(racer.connect({ clean: false }))
  await eventually(() => racers.filter((racer) => racer.isClosed).length === 7, 'seven of eight to be displaced')
  await older.closed
  const [last] = racers.filter((racer) => !racer.isClosed)
  if (last === undefined) throw new Error('one lives')
  await last.next('connack')
  await eventually(() => broker.stats().connections === 1, 'one connection')
  // the broker hears that CONNACK has gone out a moment after the client may have read it
  await eventually(() => broker.stats().sessions === 1, 'one session')
  await broker.command(device.id, Buffer.from('still there?'))
  t.equal((await last.next('publish')).payload.toString(), 'still there?')
  t.equal(broker.disconnect(device.id, 'revoked'), true)
  await last.closed
  await eventually(() => broker.stats().connections === 0)
  t.equal(broker.disconnect(device.id, 'revoked'), false)
})

test('a will goes to the queue as a message of its device when the connection is lost, and not after DISCONNECT', async (t) => {
  const { client, pki, queue, broker } = await startTestBroker(t)
  const device = await pki.device()
  const will = { topic: `v1/${device.id}/telemetry`, payload: Buffer.from('lost'), qos: 1 as const, retain: false }
  const polite = await client(device, { will })
  polite.send(disconnect)
  await polite.closed
  const lost = await client(device, { will })
  lost.socket.destroy()
  await queue.has(1)
  t.match(queue.all.map(({ publisher, kind, payload }) => ({ publisher, kind, payload: payload.toString() })), [{ publisher: device.id, kind: 'telemetry', payload: 'lost' }])
  t.equal(queue.all.length, 1)
  await eventually(() => broker.stats().connections === 0)
  t.match(broker.stats(), { received: 1, inFlight: { messages: 0, bytes: 0 }, pubacksSent: 0 })
})

test('the registry away: who was active comes in, who is not known is told to come later [C16]', async (t) => {
  const { client, tls, pki, registry, broker } = await startTestBroker(t, { limits: { admitTimeoutMs: 200 } })
  const known = await pki.device()
  await client(known)
  registry.away = new Error('connection refused')
  const again = await client(known)
  again.send(again.publish(1))
  await again.acked(1)
  const stranger = await tls(await pki.device())
  stranger.send(stranger.connect())
  t.equal((await stranger.next('connack')).returnCode, 3)
  await stranger.closed
  registry.away = null
  registry.admit = async () => await new Promise(() => {}) // answers nobody, ignores its signal
  await client(known)
  t.equal(broker.stats().refused['registry-unavailable'], 1)
  registry.admit = async (id) => ({ id, state: 'suspended', firstSeen: false })
  const suspended = await tls(known)
  suspended.send(suspended.connect())
  t.equal((await suspended.next('connack')).returnCode, 5)
  registry.admit = async () => { throw new Error('away again') }
  const forgotten = await tls(known)
  forgotten.send(forgotten.connect())
  t.equal((await forgotten.next('connack')).returnCode, 3, 'a suspension is not outlived by an older memory')
})

test('revocation ends the live session, and neither a fresh nor a resumed handshake brings it back [C4]', async (t) => {
  for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
    const { tls, pki, broker } = await startTestBroker(t)
    const [bad, good] = [await pki.device(), await pki.device()]
    const live = await tls(bad, { minVersion: version, maxVersion: version })
    live.send(live.connect())
    await live.next('connack')
    const other = await tls(good)
    other.send(other.connect())
    await other.next('connack')
    await eventually(() => live.session !== undefined, 'a session ticket')
    const { session } = live
    const resumed = await tls(bad, { session, minVersion: version, maxVersion: version })
    t.ok(resumed.socket.isSessionReused(), `resumption works over ${version}`)
    resumed.send(resumed.connect())
    t.equal((await resumed.next('connack')).returnCode, 0, 'and is identified')
    await pki.authority.revoke(bad.id, 'keyCompromise')
    await broker.reloadCertificates()
    await resumed.closed
    const back = await tls(bad, { session, minVersion: version, maxVersion: version })
    if (!back.isClosed) back.send(back.connect())
    await back.closed
    const fresh = await tls(bad)
    if (!fresh.isClosed) fresh.send(fresh.connect())
    await fresh.closed
    t.strictSame([...back.packets, ...fresh.packets], [])
    t.equal(broker.stats().refused['certificate-revoked'], 3, 'the session and two handshakes')
    other.send(other.publish(1))
    t.strictSame(await other.acked(1), [1], 'others are not disturbed')
  }
})

test('drain: nothing more is read, what was taken is acknowledged, no will is spoken, then the sockets end', async (t) => {
  const { client, tls, pki, queue, broker } = await startTestBroker(t)
  const device = await pki.device()
  const will = { topic: `v1/${device.id}/telemetry`, payload: Buffer.from('lost'), qos: 1 as const, retain: false }
  const c = await client(device, { will })
  const halfway = await tls(await pki.device())
  queue.held = true
  c.send(c.publish(1), c.publish(2))
  await queue.has(2)
  broker.drain()
  broker.drain()
  t.equal(broker.stats().draining, true)
  await halfway.closed
  c.send(c.publish(3))
  const late = await tls(await pki.device())
  await late.closed
  const closing = broker.close({ graceMs: 5_000 })
  await setTimeout(100)
  t.strictSame(c.pubacks, [], 'it waits for the queue')
  queue.release()
  await Promise.all([closing, c.closed])
  t.strictSame(c.pubacks, [1, 2])
  t.equal(queue.all.length, 2, 'neither the third message nor the will')
  t.equal(broker.stats().connections, 0)
})

test('close does not wait for ever for a queue that does not settle', async (t) => {
  const { client, pki, queue, broker } = await startTestBroker(t)
  const c = await client(await pki.device())
  queue.held = true
  c.send(c.publish(1))
  await queue.has(1)
  await broker.close({ graceMs: 100 })
  await c.closed
  t.strictSame(c.pubacks, [])
})

test('a command reaches the device, waits for one with a persistent session, and is bounded', async (t) => {
  const { client, pki, broker } = await startTestBroker(t, { limits: { maxWaitingCommands: 3 } })
  const device = await pki.device()
  await t.rejects(broker.command(device.id, Buffer.from('x')), { code: 'DEVICE_AWAY' })
  const first = await client(device, { clean: false })
  await t.rejects(broker.command(device.id, Buffer.from('x')), { code: 'DEVICE_AWAY' }, 'connected, but not listening')
  first.send(subscribe(first))
  await first.next('suback')
  first.send(disconnect)
  await first.closed
  await eventually(() => broker.stats().connections === 0)
  for (const n of [1, 2, 3]) await broker.command(device.id, Buffer.from(`command ${n}`))
  await t.rejects(broker.command(device.id, Buffer.from('one too many')), { code: 'COMMAND_BACKLOG' })
  const back = await client(device, { clean: false })
  for (const n of [1, 2, 3]) {
    const { payload, messageId, qos } = await back.next('publish')
    t.match({ payload: payload.toString(), qos }, { payload: `command ${n}`, qos: 1 })
    back.send(generate({ cmd: 'puback', messageId: messageId as number }))
  }
  await eventually(() => back.packets.length >= 4)
  await setTimeout(50)
  await broker.command(device.id, Buffer.from('there is room again'))
  t.equal((await back.next('publish')).payload.toString(), 'there is room again')
})

test('an address in use is named', async (t) => {
  const { broker, pki } = await startTestBroker(t)
  const { startBroker } = await import('../../broker/broker.ts')
  const { quietObservability } = await import('../../runtime/observability.ts')
  const { HandQueue, TestRegistry } = await import('../fixtures/broker.ts')
  await t.rejects(startBroker({ host: '127.0.0.1', port: broker.address.port, tls: pki.files, queue: new HandQueue(), registry: new TestRegistry(), observability: quietObservability() }),
    { code: 'PORT_UNAVAILABLE', message: new RegExp(`127.0.0.1:${broker.address.port}: EADDRINUSE`) })
})

test('a connection that is cut in the middle of anything leaves nothing behind', async (t) => {
  // a peer whose end looks like a half-close is waited for, as acknowledgements are still due to it; here not for half a minute
  const { tls, pki, queue, broker } = await startTestBroker(t, { limits: { farewellMs: 500 } })
  const devices = await Promise.all(Array.from({ length: 10 }, async () => await pki.device()))
  queue.held = true
  for (const [i, device] of devices.entries()) {
    const c = await tls(device)
    const bytes = Buffer.concat([c.connect(), c.publish(1), c.publish(2, Buffer.alloc(30_000))])
    c.send(bytes.subarray(0, Math.floor(bytes.length * (i + 1) / 11)))
    if (i % 2 === 0) await setTimeout(10)
    c.socket.destroy()
    await once(c.socket, 'close')
  }
  await eventually(() => broker.stats().connections === 0, 'all connections to be gone')
  queue.release()
  t.match(broker.stats(), { sessions: 0, inFlight: { messages: 0, bytes: 0 } })
})
