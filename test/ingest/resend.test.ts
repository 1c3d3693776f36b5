// Redelivery in all its forms: whatever is sent again, in whatever order and however late, there is one row per reading.
import { test } from 'tap'
import { count, ingestBench } from '../fixtures/ingest.ts'
import { birth, deliver, type Delivery, deviceId, heartRates, metricId, telemetry } from '../fixtures/deliveries.ts'

const now = Date.now()
/** Message `seq` of device 1: always the same bytes. */
const message = (seq: number, ageMs = 0, tickOnly = false): Delivery => deliver(deviceId(1), telemetry(seq, {
  header: { boot: 7n, seq, baseTickMs: seq * 1_000, ...(tickOnly ? {} : { baseWallMs: now - 60_000 - ageMs + seq * 1_000 }) },
  samples: [{ metric: metricId('heart-rate'), dtMs: 0, value: 70, quality: 0 }]
}))
const messages = (from: number, to: number): Delivery[] => Array.from({ length: to - from }, (_, i) => message(from + i))

test('a batch sent again by a device that lost the PUBACKs is settled and stored once', async (t) => {
  const bench = await ingestBench(t)
  const { send, worker } = bench.start()
  await send(...messages(0, 50))
  const again = await send(...messages(0, 50).reverse())
  t.ok(again.every((error) => error === null), 'a duplicate is acknowledged')
  t.equal(await count(bench.owner, 'receipt'), 50)
  t.equal(await count(bench.owner, 'sample'), 50)
  t.match(worker.status().totals, { stored: 50, duplicate: 50, quarantined: 0, askedBatches: 0 }, 'live resends need not ask the database')
})

test('after a restart the database decides what is new, in mixed batches too', async (t) => {
  const bench = await ingestBench(t)
  const first = bench.start()
  await first.send(...messages(0, 40))
  await first.close()
  const second = bench.start()
  await second.send(...messages(20, 60))
  t.equal(await count(bench.owner, 'receipt'), 60)
  t.equal(await count(bench.owner, 'sample'), 60, 'samples of duplicates are not written')
  t.match(second.worker.status().totals, { stored: 20, duplicate: 20, samples: 20, askedBatches: 1 })
  await second.send(...messages(60, 70))
  t.equal(await count(bench.owner, 'sample'), 70)
})

test('the same message twice in one batch, and one seq used for two different times', async (t) => {
  const bench = await ingestBench(t)
  const { send, worker } = bench.start()
  await send(message(1), message(1), message(1, 5_000), message(2))
  t.match(worker.status().totals, { stored: 3, duplicate: 1 }, 'what has another time is another reading and is not lost')
  t.equal(await count(bench.owner, 'sample'), 3)
})

test('out of order and seven days late: one row each, and samples never meet a conflict', async (t) => {
  const bench = await ingestBench(t)
  const { send } = bench.start()
  const week = 7 * 86_400_000
  const late = Array.from({ length: 70 }, (_, i) => i).sort((a, b) => (a * 37) % 70 - (b * 37) % 70)
  await send(...late.map((seq) => message(seq, week - seq * 8_640_000)))
  await bench.start().send(...late.map((seq) => message(seq, week - seq * 8_640_000)))
  t.equal(await count(bench.owner, 'receipt'), 70)
  t.equal(await count(bench.owner, 'sample'), 70)
  const { rows } = await bench.owner.query("SELECT indexrelid::regclass FROM pg_index WHERE indrelid = 'sample'::regclass AND indisunique")
  t.equal(rows.length, 0, 'nothing on sample is unique, so nothing can conflict there')
})

test('two workers place a boot without a clock at the same times', async (t) => {
  const bench = await ingestBench(t)
  const one = bench.start()
  const two = bench.start()
  const tickOnly = (seq: number, receivedAtMs: number): Delivery =>
    deliver(deviceId(2), telemetry(seq, { header: { boot: 3n, seq, baseTickMs: seq * 1_000 }, samples: heartRates(1) }), receivedAtMs)
  await Promise.all([one.send(tickOnly(5, now)), two.send(tickOnly(5, now + 900))])
  await two.send(tickOnly(6, now + 60_000))
  await one.send(tickOnly(6, now + 120_000))
  t.equal(await count(bench.owner, 'receipt'), 2, 'one each, although they were received at different times')
  t.equal(await count(bench.owner, 'sample'), 2)
})

test('a resent birth does not bring an older firmware back', async (t) => {
  const bench = await ingestBench(t)
  const { send } = bench.start()
  const old = (): Delivery => deliver(deviceId(1), birth(0, { header: { boot: 1n, baseWallMs: now - 9_000 } }))
  await send(old())
  await send(deliver(deviceId(1), birth(0, { firmware: '2.0.0', header: { boot: 2n, baseWallMs: now - 5_000 } })))
  await bench.start().send(old())
  const { rows: [device] } = await bench.owner.query('SELECT firmware FROM device WHERE id = $1', [deviceId(1)])
  t.match(device, { firmware: '2.0.0' })
})

test('the same on PostgreSQL without TimescaleDB, partitions made as needed', async (t) => {
  const bench = await ingestBench(t, { edition: 'plain' })
  const first = bench.start()
  await first.send(...messages(0, 20), message(100, 30 * 86_400_000))
  await first.close()
  const second = bench.start()
  await second.send(...messages(10, 30), message(100, 30 * 86_400_000))
  t.equal(await count(bench.owner, 'receipt'), 31)
  t.equal(await count(bench.owner, 'sample'), 31)
  t.match(second.worker.status().totals, { stored: 10, duplicate: 11 })
})
