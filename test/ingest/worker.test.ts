import { test } from 'tap'
import { count, ingestBench } from '../fixtures/ingest.ts'
import { birth, deliver, deviceId, metricId, telemetry } from '../fixtures/deliveries.ts'

test('a batch goes from the queue to rows, and is settled only when it is committed', async (t) => {
  const bench = await ingestBench(t)
  const { send, worker } = bench.start()
  const wave = { metric: metricId('ecg-lead-ii'), dtMs: 0, periodUs: 4_000, scaleNano: 5_000, offset: 0, values: Int16Array.from({ length: 250 }, (_, i) => i - 125) }
  const outcomes = await send(
    deliver(deviceId(1), birth(0)),
    ...Array.from({ length: 40 }, (_, i) => deliver(deviceId(1), telemetry(i + 1))),
    deliver(deviceId(2), telemetry(0, { samples: [], waves: [wave] }))
  )
  t.ok(outcomes.every((error) => error === null), 'all settled as durable')
  t.equal(await count(bench.owner, 'receipt'), 42, 'a receipt each')
  t.equal(await count(bench.owner, 'sample'), 400)
  t.equal(await count(bench.owner, 'wave'), 1)
  t.equal(await count(bench.owner, 'quarantine'), 0)
  t.ok(await count(bench.owner, 'rollup_mark') > 0, 'the minutes are marked for the rollups')
  const { rows: [device] } = await bench.owner.query('SELECT kind, model, firmware FROM device WHERE id = $1', [deviceId(1)])
  t.match(device, { kind: 'ecg-patch', model: 'Patch 1', firmware: '1.0.0' }, 'the birth says what the device is')
  const { totals, ready, reason } = worker.status()
  t.match({ ready, reason }, { ready: true, reason: null })
  t.match(totals, { stored: 42, duplicate: 0, quarantined: 0, samples: 400, waves: 1, askedBatches: 0 })
})
