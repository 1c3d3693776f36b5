// Devices that come back for ever, and copies of devices: found, told, kept out, and nobody else suffers. Real mqtt.js clients and
// real TLS against the real broker.
import { randomUUID } from 'node:crypto'
import { setTimeout } from 'node:timers/promises'
import { connect as mqttConnect, type MqttClient } from 'mqtt'
import { test, type Test } from 'tap'
import { uplinkTopic } from '../../schemas/topics.ts'
import { eventually, startTestBroker, type TestBroker } from '../fixtures/broker.ts'
import { type DeviceIdentity } from '../fixtures/pki.ts'

function mqttClient (t: Test, { broker, pki }: TestBroker, identity: DeviceIdentity, reconnectPeriod: number): MqttClient {
  const client = mqttConnect({ protocol: 'mqtts', host: '127.0.0.1', port: broker.address.port, servername: 'localhost', clientId: identity.id, protocolVersion: 4, ca: pki.ca, key: identity.key, cert: identity.cert, reconnectPeriod })
  client.on('error', () => {})
  t.teardown(() => { client.end(true) })
  return client
}

/** Publishes one message after the other for so long; gives how long each acknowledgement took, ms. */
async function steady (client: MqttClient, id: string, ms: number): Promise<number[]> {
  const latencies: number[] = []
  for (const until = performance.now() + ms; performance.now() < until;) {
    const since = performance.now()
    await client.publishAsync(uplinkTopic(id, 'telemetry'), 'x', { qos: 1 })
    latencies.push(performance.now() - since)
    await setTimeout(5)
  }
  return latencies
}

test('a QoS 1 client that is refused on a forbidden topic and comes back for ever is kept out, and a device beside it does not notice [C3] [C22]', async (t) => {
  const house = await startTestBroker(t, { limits: { flappingFirstBanMs: 60_000 } })
  const { broker, pki, registry, audit, queue } = house
  const [looper, innocent] = [await pki.device(), await pki.device()]
  const good = mqttClient(t, house, innocent, 0)
  await new Promise((resolve) => { good.once('connect', resolve) })
  const bad = mqttClient(t, house, looper, 10)
  let closes = 0
  bad.on('close', () => { closes++ })
  bad.publish(uplinkTopic(innocent.id, 'telemetry'), 'mine now', { qos: 1 }, () => {}) // mqtt.js sends it again at each connect, for ever
  const latencies = await steady(good, innocent.id, 2_500)
  await eventually(() => broker.stats().banned.devices === 1, 'the looper to be banned')
  const { refused } = broker.stats()
  t.equal(refused['topic-foreign'], 11, 'ten sessions in a minute are borne, the eleventh is one too many')
  const before = { asked: registry.asked, closes }
  await eventually(() => closes >= before.closes + 10, 'it goes on trying')
  t.equal(registry.asked, before.asked, 'but is turned away before the registry is asked')
  t.ok((broker.stats().refused['flapping'] as number) >= 10, 'each attempt is counted')
  t.equal(audit.filter(({ type, subtype }) => type === 'security' && subtype === 'flapping').length, 1, 'the ban is told once')
  t.match(audit.find(({ type }) => type === 'security'), { agent: { id: looper.id, address: '127.0.0.1' }, detail: { banMs: 60_000, last: 'topic-foreign' } })
  t.equal(broker.stats().securityEvents['flapping'], 1)
  latencies.push(...await steady(good, innocent.id, 500))
  latencies.sort((a, b) => a - b)
  const [median, worst] = [latencies[latencies.length >> 1] as number, latencies.at(-1) as number]
  t.comment(`acknowledgements of the other device: ${latencies.length}, median ${median.toFixed(1)} ms, worst ${worst.toFixed(1)} ms`)
  t.ok(median < 100 && worst < 2_000, 'acknowledgements beside it stay fine')
  t.ok(good.connected)
  t.equal(queue.all.length, latencies.length, 'nothing of the other one was taken')
  // lifted by the operator: it may come in again, and behave
  bad.end(true)
  t.equal(broker.pardon(looper.id), true)
  t.equal(broker.pardon(looper.id), false)
  const back = await house.client(looper)
  back.send(back.publish(1))
  t.strictSame(await back.acked(1), [1])
  t.equal(broker.stats().banned.devices, 0)
})

test('a ban ends by itself, and the next one is longer [C22]', async (t) => {
  const house = await startTestBroker(t, { limits: { flappingSessions: 3, flappingFirstBanMs: 300 } })
  const { broker, pki, audit, client, tls } = house
  const device = await pki.device()
  for (const round of [1, 2]) {
    for (let i = 0; i < 4; i++) {
      const c = await client(device)
      c.send(c.publish(1, 'x', { qos: 2 }))
      await c.closed
    }
    await eventually(() => broker.stats().securityEvents['flapping'] === round, 'the ban')
    await (await tls(device)).closed
    await eventually(() => broker.stats().refused['flapping'] === round)
    await eventually(() => broker.stats().banned.devices === 0, 'the end of the ban')
  }
  t.strictSame(audit.flatMap(({ subtype, detail }) => subtype === 'flapping' ? [detail?.['banMs']] : []), [300, 600])
  await client(device)
})

test('a device that was thrown out as suspended again and again comes in at once when it is made active again', async (t) => {
  const { broker, pki, registry, tls, client } = await startTestBroker(t, { limits: { flappingSessions: 1, flappingFirstBanMs: 60_000 } })
  const device = await pki.device()
  registry.states.set(device.id, 'suspended')
  for (let i = 0; i < 12 && broker.stats().banned.devices === 0; i++) {
    const c = await tls(device)
    if (!c.isClosed) c.send(c.connect())
    await c.closed
  }
  t.equal(broker.stats().banned.devices, 1)
  registry.states.set(device.id, 'active')
  broker.registryChanged(device.id, 'suspended')
  t.equal(broker.stats().banned.devices, 1, 'only active pardons')
  broker.registryChanged(device.id, 'active')
  t.equal(broker.stats().banned.devices, 0)
  await client(device)
})

test('a storm of reconnects bans nobody', async (t) => {
  const { broker, pki, client } = await startTestBroker(t)
  const device = await pki.device()
  for (let i = 0; i < 60; i++) {
    const c = await client(device)
    if (i % 6 !== 0) c.socket.destroy() // the others are displaced by the next
  }
  t.match(broker.stats(), { banned: { devices: 0, addresses: 0 } })
  t.equal(broker.stats().refused['flapping'], undefined)
})

test('two certificates of one identity in use at once are reported as a clone; a renewal is not [C22]', async (t) => {
  const { broker, pki, client, audit } = await startTestBroker(t)
  const id = randomUUID()
  const [older, newer] = [pki.aged(id, 10), pki.aged(id, 1)]
  const first = await client(older)
  const second = await client(newer) // displaces the first, as a renewal does
  await first.closed
  t.equal(broker.stats().securityEvents['clone'], undefined, 'a renewal')
  const copy = await client(older)
  await second.closed
  t.equal(broker.stats().securityEvents['clone'], 1)
  const told = audit.find(({ subtype }) => subtype === 'clone')
  t.match(told, { type: 'security', agent: { id, address: '127.0.0.1' }, detail: { sign: 'older-certificate', otherAddress: '127.0.0.1' } })
  const accepted = audit.filter(({ subtype }) => subtype === 'accepted')
  t.equal(told?.agent.certificateSerial, accepted[0]?.agent.certificateSerial, 'the older one is named')
  t.equal(told?.detail?.['otherSerial'], accepted[1]?.agent.certificateSerial, 'and the newer')
  copy.send(copy.publish(1))
  t.strictSame(await copy.acked(1), [1], 'by default it is only reported')
})

test('clonePolicy refuse: the older certificate stays out once the newer was used, the session of the newer lives on [C22]', async (t) => {
  const { broker, pki, client, tls, audit } = await startTestBroker(t, { limits: { clonePolicy: 'refuse' } })
  const id = randomUUID()
  const [older, newer] = [pki.aged(id, 10), pki.aged(id, 1)]
  await client(older)
  const good = await client(newer)
  const refused = await tls(older)
  if (!refused.isClosed) refused.send(refused.connect(), refused.publish(1))
  await refused.closed
  t.strictSame(refused.packets, [])
  t.equal(broker.stats().refused['certificate-superseded'], 1)
  t.match(audit.find(({ reason }) => reason === 'certificate-superseded'), { type: 'connection', subtype: 'refused', agent: { id, address: '127.0.0.1' }, detail: { stage: 'handshake' } })
  good.send(good.publish(1))
  t.strictSame(await good.acked(1), [1])
})

test('two clients that fight over one session with the same certificate are found, and kept out if they go on [C22]', async (t) => {
  const house = await startTestBroker(t)
  const { broker, pki } = house
  const device = await pki.device()
  mqttClient(t, house, device, 5)
  mqttClient(t, house, device, 5)
  await eventually(() => broker.stats().securityEvents['clone'] === 1, 'the clone to be found')
  await eventually(() => broker.stats().banned.devices === 1, 'the fight to be ended')
  t.ok((broker.stats().refused['displaced'] as number) >= 6)
})

test('who holds an old certificate that nobody has revoked is kept out, and the device with its newer one is not [C22]', async (t) => {
  const house = await startTestBroker(t, { limits: { flappingSessions: 2, flappingFirstBanMs: 60_000 } })
  const { broker, pki, audit, tls, client } = house
  const id = randomUUID()
  const [older, newer] = [pki.aged(id, 10), pki.aged(id, 1)]
  let device = await client(newer)
  // the copy takes the session over again and again, and the device takes it back, with no fault of its own
  for (let round = 0; round < 20 && broker.stats().banned.devices === 0; round++) {
    const copy = await client(older)
    await device.closed
    device = await client(newer)
    await copy.closed
  }
  await eventually(() => broker.stats().banned.devices === 1, 'the copy to be banned')
  const { refused } = broker.stats()
  await (await tls(older)).closed
  t.equal(broker.stats().refused['flapping'], (refused['flapping'] ?? 0) + 1, 'the copy stays out')
  device.send(device.publish(1))
  t.strictSame(await device.acked(1), [1], 'the session of the device lives')
  device.socket.destroy()
  await client(newer)
  t.equal(audit.filter(({ subtype }) => subtype === 'flapping').length, 1)
  t.match(audit.find(({ subtype }) => subtype === 'flapping'), { agent: { id, certificateSerial: audit.filter(({ subtype }) => subtype === 'accepted')[1]?.agent.certificateSerial as string } })
})
