// Promise 3: what cannot be stored as data is kept with its bytes and a reason, and acknowledged, so that it is not sent for
// ever; and one bad message costs its neighbours nothing.
import { randomUUID } from 'node:crypto'
import { test } from 'tap'
import { birth, heartRate, telemetry } from '../fixtures/mqtt-device.ts'
import { listQuarantine, showQuarantine } from '../../ingest/quarantine.ts'
import { testKeys } from '../fixtures/ingest.ts'
import { type Running, startPulsegate } from '../fixtures/pulsegate.ts'
import { badVectors } from '../fixtures/vectors.ts'

async function reasonOf ({ reader }: Running, publisher: string, payload: Buffer): Promise<string | undefined> {
  const keys = testKeys(reader)
  for (const { id, reason } of await listQuarantine(reader, { publisher, limit: 1_000 })) {
    if ((await showQuarantine(reader, keys, id)).payload.equals(payload)) return reason
  }
  return undefined
}

test('every bad vector is acknowledged and lies in quarantine with its bytes and its reason [C7] [C8]', async (t) => {
  const running = await startPulsegate(t)
  const device = await running.connect()
  for (const { name, kind, hex, reason } of badVectors) {
    const payload = Buffer.from(hex, 'hex')
    await device.publish(payload, kind)
    t.equal(await reasonOf(running, device.id, payload), reason, name)
  }
  t.equal(running.service.worker.status().totals.quarantined, badVectors.length)
})

test('a relay that is not paired, not known or not active never makes a row [C6]', async (t) => {
  const running = await startPulsegate(t)
  const { registry } = running.service
  const gateway = await running.connect()
  const [paired, unpaired, suspended] = [randomUUID(), randomUUID(), randomUUID()]
  await registry.register([{ id: paired }, { id: unpaired }, { id: suspended }])
  await registry.pair(gateway.id, paired, Date.now() - 60_000)
  await registry.pair(gateway.id, suspended, Date.now() - 60_000)
  await registry.setState(suspended, 'suspended')
  const relay = (source: string): Buffer => telemetry(0, { header: { source, boot: 1n, seq: 0, baseWallMs: Date.now(), baseTickMs: 5 } })
  const cases: Array<[string, string | undefined]> = [
    [unpaired, 'not-paired'], [randomUUID(), 'unknown-source'], [suspended, 'source-not-active'], [paired, undefined]
  ]
  for (const [source, reason] of cases) {
    const payload = relay(source)
    await gateway.publish(payload)
    t.equal(await reasonOf(running, gateway.id, payload), reason, reason ?? 'a paired sensor is stored')
  }
  const { rows } = await running.reader.query<{ device: string }>('SELECT device FROM reading')
  t.same(rows, [{ device: paired }])
})

test('a device that is suspended while connected stores nothing more', async (t) => {
  const running = await startPulsegate(t)
  const identity = await running.pki.device()
  const device = await running.connect(identity)
  await device.publish(telemetry(0))
  const ended = new Promise<void>((resolve) => { device.client.once('close', () => { resolve() }) })
  await running.service.registry.setState(device.id, 'suspended')
  await ended
  await t.rejects(running.connect(identity), 'nor may it come back')
  const { rows } = await running.reader.query<{ messages: string }>('SELECT count(*) AS messages FROM receipt')
  t.match(rows, [{ messages: '1' }])
})

test('a clock that is ahead, and readings older than what is kept', async (t) => {
  const running = await startPulsegate(t)
  const device = await running.connect()
  const ahead = telemetry(0, { wallMs: Date.now() + 6 * 60_000 })
  const aheadByDelta = telemetry(1, { samples: [heartRate(70, 6 * 60_000)] })
  const old = telemetry(2, { wallMs: Date.now() - 91 * 86_400_000 })
  const fine = telemetry(3, { wallMs: Date.now() + 4 * 60_000 })
  for (const payload of [ahead, aheadByDelta, old, fine]) await device.publish(payload)
  t.equal(await reasonOf(running, device.id, ahead), 'clock-ahead')
  t.equal(await reasonOf(running, device.id, aheadByDelta), 'clock-ahead')
  t.equal(await reasonOf(running, device.id, old), 'too-old')
  t.equal(await reasonOf(running, device.id, fine), undefined)
})

test('a poison message inside a full batch: the others are stored, it alone is kept aside', async (t) => {
  const running = await startPulsegate(t)
  const device = await running.connect()
  await device.publish(birth(0))
  // well-formed for the wire, refused by the database: stands for every value a later table constraint may not like
  await running.reader.query('ALTER TABLE sample ADD CONSTRAINT no_such_value CHECK (value <> 66)')
  const poison = telemetry(51, { samples: [heartRate(65), heartRate(66, 100), heartRate(67, 200)] })
  const messages = Array.from({ length: 100 }, (_, index) => telemetry(index + 1 + (index >= 50 ? 1 : 0)))
  messages.splice(50, 0, poison)
  await Promise.all(messages.map((payload) => device.publish(payload)))
  const { rows } = await running.reader.query<{ samples: string, receipts: string }>('SELECT (SELECT count(*) FROM sample) AS samples, (SELECT count(*) FROM receipt) AS receipts')
  t.same(rows, [{ samples: '100', receipts: '101' }])
  t.equal(await reasonOf(running, device.id, poison), 'data-error', 'the poison is in quarantine')
})

test('a message the contract cannot place without an anchor is placed by the boot\'s first sight, the same every time', async (t) => {
  const running = await startPulsegate(t)
  const device = await running.connect()
  const unset = (seq: number, tickMs: number): Buffer => telemetry(seq, { header: { boot: 5n, seq, baseTickMs: tickMs, clock: { source: 0, errorMs: 0 } } })
  await device.publish(unset(0, 10_000))
  await device.publish(unset(1, 12_500))
  await device.publish(unset(1, 12_500))
  const { rows } = await running.reader.query<{ apart: string }>('SELECT extract(epoch FROM max(time) - min(time)) * 1000 AS apart, count(*) FROM reading')
  t.equal(Number(rows[0]?.apart), 2_500)
  t.match(rows[0], { count: '2' })
})
