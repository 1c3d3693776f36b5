// Promise 3 in numbers: at rest, received = stored + duplicate + quarantined + refused, per reason, as /metrics says and as the
// database says; and every connection that was refused is in them too.
import { randomUUID } from 'node:crypto'
import { test } from 'tap'
import { uplinkTopic } from '../../schemas/topics.ts'
import { telemetry } from '../fixtures/mqtt-device.ts'
import { startPulsegate } from '../fixtures/pulsegate.ts'

/** Samples of one metric in Prometheus text, by its labels. */
function samplesOf (text: string, name: string): Array<{ labels: Record<string, string>, value: number }> {
  return text.split('\n').filter((line) => line.startsWith(`${name} `) || line.startsWith(`${name}{`)).map((line) => ({
    labels: Object.fromEntries([...line.matchAll(/(\w+)="([^"]*)"/g)].map(([, label = '', value = '']) => [label, value])),
    value: Number(line.split(' ').at(-1))
  }))
}

test('what came in is the sum of what became of it, in /metrics as in the database [C8]', async (t) => {
  const { connect, metrics, reader, service } = await startPulsegate(t)
  const device = await connect()
  const messages = Array.from({ length: 50 }, (_, seq) => telemetry(seq))
  await Promise.all(messages.map((payload) => device.publish(payload)))
  await Promise.all(messages.slice(0, 20).map((payload) => device.publish(payload)))
  await device.publish(Buffer.from('a4', 'hex')) // a map without its content
  await device.publish(telemetry(50, { wallMs: Date.now() + 3_600_000 }))
  await device.publish(Buffer.from([0xa0]), 'result')
  const [stranger, unpaired] = [randomUUID(), randomUUID()]
  await service.registry.register([{ id: unpaired }])
  for (const source of [stranger, unpaired]) await device.publish(telemetry(0, { header: { source, boot: 1n, seq: 0, baseWallMs: Date.now(), baseTickMs: 5 } }))
  for (const topic of ['hospital', `v1/${device.id}/command`]) {
    const intruder = await connect()
    const closed = new Promise<void>((resolve) => { intruder.client.once('close', () => { resolve() }) })
    intruder.client.publish(topic, telemetry(0), { qos: 1 })
    await closed
  }
  // QoS 0 is promised nothing, but counted all the same
  await device.client.publishAsync(uplinkTopic(device.id, 'telemetry'), telemetry(51), { qos: 0 })
  await device.publish(telemetry(52))

  const text = await metrics()
  const sum = (name: string, wanted: Record<string, string> = {}): number => samplesOf(text, name)
    .filter(({ labels }) => Object.entries(wanted).every(([label, value]) => labels[label] === value))
    .reduce((total, { value }) => total + value, 0)
  const received = sum('pulsegate_broker_messages_received_total')
  const outcome = (name: string): number => sum('pulsegate_messages_total', { outcome: name })
  const refused = sum('pulsegate_broker_refused_total', { stage: 'publish' })
  t.equal(received, 50 + 20 + 3 + 2 + 2 + 2)
  t.equal(received, outcome('stored') + outcome('duplicate') + outcome('quarantined') + refused, 'the sums agree')
  t.equal(outcome('stored'), 52)
  t.equal(outcome('duplicate'), 20)
  t.equal(refused, 2)
  for (const reason of ['topic-unknown', 'topic-foreign']) t.equal(sum('pulsegate_broker_refused_total', { stage: 'publish', reason }), 1, reason)
  for (const reason of ['not-cbor', 'clock-ahead', 'unsupported-kind', 'unknown-source', 'not-paired']) {
    t.equal(sum('pulsegate_messages_total', { outcome: 'quarantined', reason }), 1, reason)
  }
  const { rows } = await reader.query<{ receipts: number, quarantined: number }>(`
    SELECT (SELECT count(*)::int FROM receipt) AS receipts, (SELECT count(*)::int FROM quarantine) AS quarantined`)
  t.same(rows, [{ receipts: 52, quarantined: 5 }], 'and the database says the same')

  const { port } = service.healthServer.address
  const served = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text()
  t.match(served, /pulsegate_messages_total\{/, 'the same metrics are served')
  t.notMatch(served, device.id, 'no device id becomes a label')
})
