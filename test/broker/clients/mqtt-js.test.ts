// The npm package mqtt against the broker: what most Node programs and our own simulator use.
import { connect, type MqttClient } from 'mqtt'
import { test } from 'tap'
import { commandTopic, uplinkTopic } from '../../../schemas/topics.ts'
import { type DeviceIdentity } from '../../fixtures/pki.ts'
import { eventually, startTestBroker, type TestBroker } from '../../fixtures/broker.ts'

function open ({ broker, pki }: TestBroker, device: DeviceIdentity, more: Parameters<typeof connect>[1] = {}): MqttClient {
  return connect(`mqtts://127.0.0.1:${broker.address.port}`, { ca: pki.ca, key: device.key, cert: device.cert, clientId: device.id, servername: 'localhost', reconnectPeriod: 50, ...more })
}

async function connected (client: MqttClient): Promise<void> {
  if (!client.connected) await new Promise<void>((resolve) => { client.once('connect', () => { resolve() }) })
}

test('it publishes, subscribes, receives commands, and ends politely', async (t) => {
  const house = await startTestBroker(t)
  const { broker, pki, queue } = house
  const device = await pki.device()
  const client = open(house, device)
  await connected(client)
  await Promise.all(Array.from({ length: 500 }, async (_, i) => await client.publishAsync(uplinkTopic(device.id, 'telemetry'), Buffer.from(`m${i}`), { qos: 1 })))
  t.strictSame(queue.all.map(({ payload }) => payload.toString()), Array.from({ length: 500 }, (_, i) => `m${i}`))
  t.match(await client.subscribeAsync(commandTopic(device.id), { qos: 1 }), [{ qos: 1 }])
  await t.rejects(client.subscribeAsync('#', { qos: 1 }), 'another topic is not granted')
  const message = new Promise<[string, Buffer]>((resolve) => { client.once('message', (topic, payload) => { resolve([topic, payload]) }) })
  await broker.command(device.id, Buffer.from('restart'))
  t.match((await message).map(String), [commandTopic(device.id), 'restart'])
  await client.endAsync()
  await eventually(() => broker.stats().connections === 0)
  t.match(broker.stats(), { received: 500, pubacksSent: 500, messagesRefused: 0 })
})

test('an outage of the database longer than its keepalive does not disconnect it', async (t) => {
  const house = await startTestBroker(t, { limits: { maxInFlightMessages: 8 } })
  const { broker, pki, queue } = house
  const busy = await pki.device()
  const calm = await pki.device()
  const clients = [open(house, busy, { keepalive: 1 }), open(house, calm, { keepalive: 1 })] as const
  let closed = 0
  for (const client of clients) {
    client.on('close', () => { closed++ })
    await connected(client)
  }
  queue.held = true
  const [first, second] = clients
  // the busy one reaches its bound and is not read any more; the calm one waits for a single acknowledgement
  const acked = [
    ...Array.from({ length: 40 }, async (_, i) => await first.publishAsync(uplinkTopic(busy.id, 'telemetry'), Buffer.from(`m${i}`), { qos: 1 })),
    second.publishAsync(uplinkTopic(calm.id, 'birth'), Buffer.from('hello'), { qos: 1 })
  ]
  await queue.has(9)
  await new Promise((resolve) => { setTimeout(resolve, 5_000) }) // five keepalives: it is time itself that is tested
  t.equal(closed, 0)
  t.match(broker.stats(), { sessions: 2, paused: 1 })
  queue.release()
  await Promise.all(acked)
  t.equal(closed, 0)
  t.equal(queue.all.length, 41)
  for (const client of clients) await client.endAsync()
})

test('after a message that was not stored it comes back by itself and sends it again', async (t) => {
  const house = await startTestBroker(t)
  const { pki, queue } = house
  const device = await pki.device()
  const client = open(house, device)
  await connected(client)
  queue.held = true
  const acked = client.publishAsync(uplinkTopic(device.id, 'telemetry'), Buffer.from('keep me'), { qos: 1 })
  await queue.has(1)
  queue.release(new Error('hard stop'))
  await acked
  t.strictSame(queue.all.map(({ payload }) => payload.toString()), ['keep me', 'keep me'])
  await client.endAsync()
})
