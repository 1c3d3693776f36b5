// The refusal matrix: who is not let in, and what those who are in may not do. Each entry is tried against the whole of
// Pulsegate, and each time the session of an innocent device goes on.
import { connect as tlsConnect } from 'node:tls'
import { randomUUID } from 'node:crypto'
import { test } from 'tap'
import { connectAsync, type IClientOptions } from 'mqtt'
import { telemetry } from '../fixtures/mqtt-device.ts'
import { type BadKind, type DeviceIdentity } from '../fixtures/pki.ts'
import { type Running, startPulsegate } from '../fixtures/pulsegate.ts'

const badCertificates: Record<BadKind, string> = {
  foreignCa: 'certificate-untrusted',
  selfSigned: 'certificate-untrusted',
  expired: 'certificate-expired',
  notYetValid: 'certificate-not-yet-valid',
  revoked: 'certificate-revoked',
  serverAuthOnly: 'certificate-purpose',
  noEku: 'certificate-purpose',
  twoUriSans: 'certificate-identity',
  noUriSan: 'certificate-identity'
}

/** Resolves when the broker has refused once more for `reason`. */
async function refusedFor ({ service }: Running, reason: string, act: () => Promise<void>): Promise<boolean> {
  const count = (): number => service.broker.stats().refused[reason] ?? 0
  const before = count()
  await act()
  const deadline = Date.now() + 20_000
  while (count() === before && Date.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 20))
  return count() > before
}

async function attempt (running: Running, { key, cert, id }: Partial<DeviceIdentity>, options: IClientOptions = {}): Promise<'refused' | 'connected'> {
  try {
    const client = await connectAsync(running.service.url, {
      ...(key !== undefined && { key }),
      ...(cert !== undefined && { cert }),
      clientId: id ?? randomUUID(),
      ca: running.pki.ca,
      reconnectPeriod: 0,
      connectTimeout: 15_000,
      protocolVersion: 4,
      ...options
    }, false)
    client.on('error', () => {})
    await client.endAsync(true)
    return 'connected'
  } catch {
    return 'refused'
  }
}

test('no bad certificate gets in, each for its own reason, and a good session goes on [C1]', async (t) => {
  const running = await startPulsegate(t)
  const innocent = await running.connect()
  for (const [kind, reason] of Object.entries(badCertificates) as Array<[BadKind, string]>) {
    const refused = await refusedFor(running, reason, async () => {
      t.equal(await attempt(running, running.pki.bad[kind]), 'refused', kind)
    })
    t.ok(refused, `${kind} is counted as ${reason}`)
  }
  const refused = await refusedFor(running, 'no-certificate', async () => {
    const { port } = new URL(running.service.url)
    const socket = tlsConnect({ port: Number(port), host: '127.0.0.1', ca: running.pki.ca, maxVersion: 'TLSv1.3' })
    socket.on('error', () => {}) // in TLS 1.3 the client is told after it believes to be connected
    await new Promise((resolve) => { socket.once('close', resolve) })
  })
  t.ok(refused, 'no certificate')
  await innocent.publish(telemetry(0))
  t.equal(running.service.broker.stats().sessions, 1, 'only the innocent one is in')
})

test('the client id of another device is refused and the victim\'s session survives [C2]', async (t) => {
  const running = await startPulsegate(t)
  const victim = await running.connect()
  const thief = await running.pki.device()
  const refused = await refusedFor(running, 'client-id', async () => {
    t.equal(await attempt(running, { ...thief, id: victim.id }), 'refused')
  })
  t.ok(refused)
  await victim.publish(telemetry(0))
  t.ok(victim.client.connected)
})

interface Forbidden { name: string, reason: string, publish: { topic: (own: string, other: string) => string, retain?: boolean, qos?: 1 | 2 } }
const forbidden: Forbidden[] = [
  { name: 'telemetry of another device', reason: 'topic-foreign', publish: { topic: (_, other) => `v1/${other}/telemetry` } },
  { name: 'its own command topic', reason: 'topic-foreign', publish: { topic: (own) => `v1/${own}/command` } },
  { name: 'a topic that is none of ours', reason: 'topic-unknown', publish: { topic: () => 'hospital/ward/7' } },
  { name: 'a wildcard', reason: 'topic-wildcard', publish: { topic: (own) => `v1/${own}/+` } },
  { name: '$SYS', reason: 'topic-sys', publish: { topic: () => '$SYS/broker/clients' } },
  { name: 'retained telemetry', reason: 'retain', publish: { topic: (own) => `v1/${own}/telemetry`, retain: true } },
  { name: 'QoS 2', reason: 'qos2', publish: { topic: (own) => `v1/${own}/telemetry`, qos: 2 } }
]

test('publishing what is not one\'s own ends the connection, stores nothing, and hurts nobody else [C3] [C8]', async (t) => {
  const running = await startPulsegate(t)
  const victim = await running.connect()
  for (const { name, reason, publish: { topic, retain = false, qos = 1 } } of forbidden) {
    const device = await running.connect()
    const closed = new Promise<void>((resolve) => { device.client.once('close', () => { resolve() }) })
    const refused = await refusedFor(running, reason, async () => {
      device.client.publish(topic(device.id, victim.id), telemetry(0), { qos, retain })
      await closed
    })
    t.ok(refused, `${name}: ${reason}`)
  }
  await victim.publish(telemetry(0))
  const { rows } = await running.reader.query<{ messages: string }>('SELECT count(*) AS messages FROM receipt')
  t.equal(Number(rows[0]?.messages), 1, 'only what the victim itself sent is stored')
  const { received, messagesRefused } = running.service.broker.stats()
  const { stored, duplicate, quarantined } = running.service.worker.status().totals
  t.equal(received, stored + duplicate + quarantined + messagesRefused, 'and every message is accounted for')
})

test('subscribing to anything but one\'s own commands is answered with failure [C3]', async (t) => {
  const running = await startPulsegate(t)
  const victim = await running.connect()
  const device = await running.connect()
  for (const filter of ['#', '+/+/+', '$SYS/#', `v1/${victim.id}/command`, `v1/${victim.id}/telemetry`, `v1/${device.id}/telemetry`, 'v1/+/command']) {
    await t.rejects(device.client.subscribeAsync(filter, { qos: 1 }), Error, filter)
  }
  const granted = await device.client.subscribeAsync(`v1/${device.id}/command`, { qos: 1 })
  t.equal(granted[0]?.qos, 1)
  const heard = new Promise<string>((resolve) => { device.client.once('message', resolve) })
  await running.service.broker.command(device.id, Buffer.from([0xf6]))
  t.equal(await heard, `v1/${device.id}/command`, 'its own commands do arrive')
  await victim.publish(telemetry(0))
})

test('a will on a foreign topic, retained or not, is refused at CONNECT [C3]', async (t) => {
  const running = await startPulsegate(t)
  const victim = await running.connect()
  const wills: Array<NonNullable<IClientOptions['will']>> = [
    { topic: `v1/${victim.id}/telemetry`, payload: telemetry(9), qos: 1, retain: false },
    { topic: `v1/${victim.id}/telemetry`, payload: telemetry(9), qos: 1, retain: true },
    { topic: 'anything', payload: Buffer.from('x'), qos: 0, retain: false },
    { topic: '$SYS/will', payload: Buffer.from('x'), qos: 1, retain: false }
  ]
  for (const will of wills) {
    const identity = await running.pki.device()
    const refused = await refusedFor(running, 'will', async () => {
      t.equal(await attempt(running, identity, { will }), 'refused', will.topic)
    })
    t.ok(refused)
  }
  await victim.publish(telemetry(0))
})
