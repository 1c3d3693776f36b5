// The refusal matrix, against the real broker over real TLS: who may not come in, what may not be said. Each is counted
// and logged with its reason, nothing of it is executed, and the session of the device that was impersonated lives on.
import { randomUUID, X509Certificate } from 'node:crypto'
import { connect as tcpConnect } from 'node:net'
import { once } from 'node:events'
import { generate } from 'mqtt-packet'
import { test, type Test } from 'tap'
import { type RefusalReason } from '../../broker/refusals.ts'
import { eventually, startTestBroker, type RawClient, type TestBroker } from '../fixtures/broker.ts'

function refusedFor (t: Test, { broker, log }: TestBroker, reason: RefusalReason, times = 1): void {
  t.equal(broker.stats().refused[reason] ?? 0, times, `counted as ${reason}`)
  t.ok(log.some((line) => line['reason'] === reason), `logged as ${reason}`)
}

test('a certificate that is not good enough never speaks a byte of MQTT, and the audit trail says whose it was, from where and why [C1]', async (t) => {
  const house = await startTestBroker(t)
  const { pki, tls, broker, queue, audit } = house
  const victim = await house.client(await pki.device())
  const cases: Array<[keyof typeof pki.bad, RefusalReason]> = [
    ['foreignCa', 'certificate-untrusted'],
    ['selfSigned', 'certificate-untrusted'],
    ['expired', 'certificate-expired'],
    ['notYetValid', 'certificate-not-yet-valid'],
    ['revoked', 'certificate-revoked'],
    ['serverAuthOnly', 'certificate-purpose'],
    ['noEku', 'certificate-purpose'],
    ['twoUriSans', 'certificate-identity'],
    ['noUriSan', 'certificate-identity']
  ]
  const wanted = new Map<string, number>([['no-certificate', 2]])
  for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
    for (const [kind, reason] of cases) {
      const client = await tls(pki.bad[kind], { minVersion: version, maxVersion: version })
      if (!client.isClosed) client.send(client.connect(), client.publish(1))
      await client.closed
      t.strictSame(client.packets, [], `${kind} over ${version}`)
      const told = () => audit.filter(({ agent }) => agent.certificateSerial === serialOf(pki.bad[kind]))
      await eventually(() => told().length === (version === 'TLSv1.2' ? 1 : 2), `the audit of ${kind}`)
      const named = kind !== 'noUriSan' && kind !== 'twoUriSans'
      t.match(told().at(-1), { type: 'connection', subtype: 'refused', outcome: 'minor-failure', reason, agent: { id: named ? pki.bad[kind].id : 'unknown', address: '127.0.0.1', certificateIssuer: /^CN=/ }, detail: { stage: 'handshake', claimed: true } })
      wanted.set(reason, (wanted.get(reason) ?? 0) + 1)
    }
    await (await tls(undefined, { minVersion: version, maxVersion: version })).closed
  }
  await eventually(() => audit.filter(({ reason, agent }) => reason === 'no-certificate' && agent.id === 'unknown' && agent.address === '127.0.0.1').length === 2)
  t.equal(broker.stats().received, 0, 'not one message was looked at')
  t.strictSame(broker.stats().refused, Object.fromEntries(wanted))
  t.equal(queue.all.length, 0)
  victim.send(victim.publish(1))
  t.strictSame(await victim.acked(1), [1], 'a good device is not disturbed')
})

test('plain TCP, old TLS and silence are turned away at the handshake, in bounded time [C5] [C7]', async (t) => {
  const house = await startTestBroker(t, { limits: { connectTimeoutMs: 400 } })
  const { broker, pki, tls } = house
  const plain = tcpConnect(broker.address.port, '127.0.0.1')
  plain.on('error', () => {})
  plain.write('GET / HTTP/1.1\r\n\r\n')
  await once(plain, 'close')
  refusedFor(t, house, 'tls-protocol')
  await (await tls(await pki.device(), { minVersion: 'TLSv1.1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' })).closed
  refusedFor(t, house, 'tls-protocol', 2)
  const silent = tcpConnect(broker.address.port, '127.0.0.1')
  silent.on('error', () => {})
  await once(silent, 'close')
  refusedFor(t, house, 'handshake-timeout')
  const mute = await tls(await pki.device())
  await mute.closed
  refusedFor(t, house, 'connect-timeout')
})

test('a CONNECT that asks for what it may not have is answered and closed, and nothing behind it is looked at [C2] [C3] [C6]', async (t) => {
  const house = await startTestBroker(t)
  const { pki, tls, queue, registry, broker } = house
  const victim = await house.client(await pki.device())
  const foreign = `v1/${victim.id}/telemetry`
  const will = { payload: Buffer.from('bye'), qos: 1 as const, retain: false }
  const cases: Array<[string, RefusalReason, number, (client: RawClient) => Parameters<RawClient['connect']>[0]]> = [
    ['client id of another', 'client-id', 2, () => ({ clientId: victim.id })],
    ['client id in capitals', 'client-id', 2, (c) => ({ clientId: c.id.toUpperCase() })],
    ['no client id', 'client-id', 2, () => ({ clientId: '' })],
    ['will of another', 'will', 5, () => ({ will: { ...will, topic: foreign } })],
    ['will on $SYS', 'will', 5, () => ({ will: { ...will, topic: '$SYS/x' } })],
    ['retained will', 'will', 5, (c) => ({ will: { ...will, topic: `v1/${c.id}/telemetry`, retain: true } })],
    ['keepalive of a day', 'keepalive-out-of-range', 5, () => ({ keepalive: 50_000 })]
  ]
  for (const [what, reason, code, hello] of cases) {
    const before = broker.stats().refused[reason] ?? 0
    const client = await tls(await pki.device())
    client.send(client.connect(hello(client)), client.publish(1))
    t.equal((await client.next('connack')).returnCode, code, what)
    await client.closed
    refusedFor(t, house, reason, before + 1)
  }
  for (const state of ['pending', 'suspended', 'retired'] as const) {
    const device = await pki.device()
    registry.states.set(device.id, state)
    const client = await tls(device)
    client.send(client.connect(), client.publish(1))
    t.equal((await client.next('connack')).returnCode, 5, state)
    await client.closed
    refusedFor(t, house, state)
  }
  const levelAt = 8 // fixed header of two bytes, the length of the name, MQTT
  for (const [what, hello] of [
    ['MQTT 5', (c: RawClient) => c.connect({ protocolVersion: 5 })],
    ['MQTT 3.1', (c: RawClient) => c.connect({ protocolId: 'MQIsdp', protocolVersion: 3 })],
    ...[2, 6, 0x84].map((level) => [`level ${level}`, (c: RawClient) => { const bytes = c.connect(); bytes[levelAt] = level; return bytes }] as const)
  ] as const) {
    const before = broker.stats().refused['protocol-version'] ?? 0
    const client = await tls(await pki.device())
    client.send(hello(client), client.publish(1))
    t.equal((await client.next('connack')).returnCode, 1, what)
    await client.closed
    refusedFor(t, house, 'protocol-version', before + 1)
  }
  t.equal(queue.all.length, 0, 'none of the publishes sent along was taken')
  victim.send(victim.publish(1))
  t.strictSame(await victim.acked(1), [1], 'the session of the device that was impersonated lives on')
})

test('a refused client that asks to subscribe hears nothing [C3] [C6]', async (t) => {
  const { pki, tls, registry, broker } = await startTestBroker(t)
  const device = await pki.device()
  registry.states.set(device.id, 'suspended')
  for (let i = 0; i < 20; i++) {
    const client = await tls(device)
    client.send(client.connect(), subscribe(1, `v1/${device.id}/command`))
    await client.closed
    t.strictSame(client.packets.map(({ cmd }) => cmd), ['connack'])
  }
  t.equal(broker.stats().refused['suspended'], 20)
})

test('a PUBLISH that may not be ends the connection with its reason; what came before it is still acknowledged [C3]', async (t) => {
  const house = await startTestBroker(t)
  const { pki, broker, queue } = house
  const victim = await house.client(await pki.device())
  const cases: Array<[RefusalReason, (client: RawClient) => Buffer]> = [
    ['topic-foreign', (c) => c.publish(2, 'x', { topic: `v1/${victim.id}/telemetry` })],
    ['topic-foreign', (c) => c.publish(2, 'x', { topic: `v1/${c.id}/command` })],
    ['topic-unknown', (c) => c.publish(2, 'x', { topic: 'anything' })],
    ['topic-wildcard', (c) => c.publish(2, 'x', { topic: 'v1/+/telemetry' })],
    ['topic-sys', (c) => c.publish(2, 'x', { topic: '$SYS/broker/new/clients' })],
    ['retain', (c) => c.publish(2, 'x', { retain: true })],
    ['qos2', (c) => c.publish(2, 'x', { qos: 2 })],
    ['malformed-publish', () => Buffer.from([0x32, 3, 0, 200, 1])],
    ['topic-encoding', () => Buffer.from([0x30, 4, 0, 2, 0xc3, 0x28])]
  ]
  let refused = 0
  for (const [reason, bad] of cases) {
    const before = broker.stats().refused[reason] ?? 0
    const client = await house.client(await pki.device())
    client.send(client.publish(1), bad(client), client.publish(3))
    await client.closed
    t.strictSame(client.pubacks, [1], reason)
    refusedFor(t, house, reason, before + 1)
    refused++
  }
  t.equal(queue.all.length, cases.length, 'one good message each')
  t.match(broker.stats(), { received: cases.length * 2, messagesRefused: refused, pubacksSent: cases.length })
  victim.send(victim.publish(9))
  t.strictSame(await victim.acked(1), [9])
})

test('packets a device has no business sending end the connection [C7]', async (t) => {
  const house = await startTestBroker(t)
  const { pki, tls } = house
  const cases: Array<[RefusalReason, (client: RawClient) => Buffer]> = [
    ['second-connect', (c) => c.connect()],
    ['unexpected-packet', () => Buffer.from([0x62, 2, 0, 1])],
    ['unexpected-packet', () => Buffer.from([0x20, 2, 0, 0])],
    ['malformed', () => Buffer.from([0xc0, 0xff, 0xff, 0xff, 0xff, 0x01])],
    ['frame-too-large', () => Buffer.from([0x30, 0xff, 0xff, 0x7f])],
    ['frame-too-large', () => Buffer.concat([Buffer.from([0x82, 0x80, 0x80, 0x02]), Buffer.alloc(32_768)])],
    ['malformed', () => Buffer.from([0x80, 2, 0, 1])] // SUBSCRIBE with wrong flags, found by Aedes
  ]
  for (const [reason, bad] of cases) {
    const before = house.broker.stats().refused[reason] ?? 0
    const client = await house.client(await pki.device())
    client.send(bad(client))
    await client.closed
    refusedFor(t, house, reason, before + 1)
  }
  const early = await tls(await pki.device())
  early.send(early.publish(1))
  await early.closed
  refusedFor(t, house, 'not-connect')
  const large = await tls(await pki.device())
  large.send(large.connect({ will: { topic: `v1/${large.id}/birth`, payload: Buffer.alloc(9_000), qos: 0, retain: false } }))
  await large.closed
  t.ok(house.broker.stats().refused['frame-too-large'] as number >= 3)
  t.equal(house.queue.all.length, 0)
})

test('only the own command topic may be subscribed, whatever else is asked for in the same packet [C3]', async (t) => {
  const { client, pki, broker } = await startTestBroker(t)
  const [one, two] = await pki.devices([randomUUID(), randomUUID()])
  if (one === undefined || two === undefined) throw new Error('two devices')
  const spy = await client(one, { clean: false })
  const foreign = [`v1/${two.id}/command`, `v1/${two.id}/telemetry`, '#', 'v1/+/command', '$SYS/#', `v1/${one.id}/telemetry`]
  spy.send(subscribe(5, ...foreign, `v1/${one.id}/command`))
  t.strictSame((await spy.next('suback')).granted, [128, 128, 128, 128, 128, 128, 1])
  t.equal(broker.stats().refused['subscribe-foreign'], 6)
  const owner = await client(two)
  owner.send(subscribe(1, `v1/${two.id}/command`))
  await owner.next('suback')
  await broker.command(two.id, Buffer.from('for two'))
  t.equal((await owner.next('publish')).payload.toString(), 'for two')
  await broker.command(one.id, Buffer.from('for one'))
  t.equal((await spy.next('publish')).payload.toString(), 'for one', 'and nothing before it')
  // the same when the session is restored: nothing but what was granted has been stored
  spy.socket.destroy()
  await eventually(() => broker.stats().sessions === 1)
  owner.send(owner.publish(1))
  await broker.command(two.id, Buffer.from('for two again'))
  const back = await client(one, { clean: false })
  await broker.command(one.id, Buffer.from('for one again'))
  const first = await back.next('publish')
  t.match(first.topic, one.id)
})

function serialOf ({ cert }: { cert: string }): string {
  return new X509Certificate(cert).serialNumber
}

function subscribe (messageId: number, ...topics: string[]): Buffer {
  return generate({ cmd: 'subscribe', messageId, subscriptions: topics.map((topic) => ({ topic, qos: 1 as const })) })
}
