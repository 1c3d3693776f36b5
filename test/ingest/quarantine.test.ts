// Nothing vanishes: what cannot be stored as data is kept with its bytes and a reason, acknowledged, and can be replayed.
import { test } from 'tap'
import { decodeMessage } from '../../schemas/decode.ts'
import { encodeTelemetry } from '../../schemas/encode.ts'
import { listQuarantine, showQuarantine } from '../../ingest/quarantine.ts'
import { type Selection } from '../../ingest/quarantine-filter.ts'
import { type Database } from '../../ingest/database.ts'
import { type QuarantineReason } from '../../schemas/reasons.ts'
import { count, ingestBench, replayAll, retentionMs } from '../fixtures/ingest.ts'
import { birth, deliver, deliverBytes, type Delivery, deviceId, heartRates, metricId, telemetry } from '../fixtures/deliveries.ts'

const now = Date.now()
const gateway = deviceId(1)
const wall = (baseWallMs: number, more: { boot?: bigint, seq?: number, source?: string } = {}): Delivery =>
  deliver(gateway, telemetry(more.seq ?? 0, { header: { boot: 1n, baseTickMs: 0, baseWallMs, ...more } }), now)
const relayed = (source: string, publisher = gateway): Delivery =>
  deliver(publisher, telemetry(0, { header: { source, boot: 1n, baseTickMs: 0, baseWallMs: now - 1_000 } }), now)
const sample = (name: string | number, dtMs = 0): Delivery => deliver(gateway, telemetry(0, {
  samples: [{ metric: typeof name === 'number' ? name : metricId(name), dtMs, value: 1, quality: 0 }]
}), now)
const wave = (metric: number, dtMs: number, length: number): Delivery => deliver(gateway, telemetry(0, {
  samples: [], waves: [{ metric, dtMs, periodUs: 1_000_000, scaleNano: 1, offset: 0, values: new Int16Array(length) }]
}), now)

/** What became of each, as the table keeps it. */
async function outcomes (database: Database, selection: Selection): Promise<string[]> {
  return (await replayAll(database, selection)).map(({ outcome, reason }) => reason === null ? outcome : `${outcome}: ${reason}`)
}

test('every reason: acknowledged, kept with its bytes, no row, and the counts agree', async (t) => {
  const bench = await ingestBench(t, { devices: 6 })
  const { registry } = bench
  await registry.setState(deviceId(2), 'suspended')
  await registry.setState(deviceId(3), 'pending')
  await registry.pair(gateway, deviceId(2))
  await registry.pair(gateway, deviceId(4), now + 86_400_000)
  await registry.pair(deviceId(3), deviceId(5))
  const { send, worker } = bench.start()
  const cases: ReadonlyArray<readonly [QuarantineReason, Delivery]> = [
    ['not-cbor', deliverBytes(gateway, 'telemetry', Buffer.from([0xff]))],
    ['missing-key', deliverBytes(gateway, 'telemetry', Buffer.from('a10001', 'hex'))],
    ['unsupported-kind', deliverBytes(gateway, 'result', Buffer.from('a0', 'hex'))],
    ['clock-ahead', wall(now + 301_000)],
    ['clock-ahead', sample('heart-rate', 400_000)],
    ['clock-ahead', wave(metricId('ecg-lead-ii'), 0, 400)],
    ['too-old', wall(now - retentionMs - 1_000)],
    ['too-old', deliver(gateway, telemetry(0, { header: { boot: 1n, baseTickMs: 0, baseWallMs: now - retentionMs + 60_000 }, samples: heartRates(100) }), now)],
    ['unknown-metric', sample(31_999)],
    ['unknown-metric', sample('ecg-lead-ii')],
    ['unknown-metric', wave(metricId('heart-rate'), 0, 2)],
    ['unknown-source', relayed(deviceId(99))],
    ['unknown-source', deliver(deviceId(98), telemetry(0))],
    ['source-not-active', relayed(deviceId(2))],
    ['source-not-active', deliver(deviceId(2), telemetry(0))],
    ['publisher-not-active', relayed(deviceId(5), deviceId(3))],
    ['not-paired', relayed(deviceId(6))],
    ['not-paired', relayed(deviceId(4))]
  ]
  const outcomes = await send(...cases.map(([, delivery]) => delivery))
  t.ok(outcomes.every((error) => error === null), 'each is acknowledged, or it would come again for ever')
  const listed = await listQuarantine(bench.owner)
  for (const [n, [reason, { envelope }]] of cases.entries()) {
    const found = await Promise.all(listed.map(async ({ id }) => showQuarantine(bench.owner, bench.keys, id)))
    const entry = found.find(({ payload, publisher }) => payload.equals(envelope.payload) && publisher === envelope.publisher)
    t.equal(entry?.reason, reason, `${n}: ${reason}`)
    t.not(entry?.detail, '', 'with a detail')
  }
  for (const table of ['receipt', 'sample', 'wave']) t.equal(await count(bench.owner, table), 0, `nothing in ${table}`)
  t.equal(await count(bench.owner, 'device_boot'), 0, 'what is refused sets no anchor')
  const { totals, reasons } = worker.status()
  t.match(totals, { stored: 0, duplicate: 0, quarantined: cases.length })
  t.equal(Object.values(reasons).reduce((sum, n) => sum + n, 0), cases.length)
})

test('the header is kept where it could be read, and repeats are counted on one row', async (t) => {
  const bench = await ingestBench(t)
  const { send } = bench.start()
  const bad = (): Delivery => wall(now + 3_600_000, { boot: 2n ** 64n - 1n, seq: 4_294_967_295 })
  await send(bad(), bad(), bad())
  await send(bad())
  const entries = await listQuarantine(bench.owner)
  t.equal(entries.length, 1)
  t.match(entries[0], { times: 4, boot: 2n ** 64n - 1n, seq: 4_294_967_295, source: gateway, publisher: gateway, kind: 'telemetry' })
})

test('a relay is stored from the moment of pairing, within a second', async (t) => {
  const bench = await ingestBench(t)
  const { send } = bench.start()
  await send(relayed(deviceId(2)))
  t.equal(await count(bench.owner, 'receipt'), 0)
  await bench.registry.pair(gateway, deviceId(2), now - 60_000)
  await new Promise((resolve) => setTimeout(resolve, 1_100))
  await send(relayed(deviceId(2)))
  const { rows } = await bench.owner.query('SELECT s.id AS source, p.id AS publisher FROM receipt r JOIN device s ON s.key = r.device JOIN device p ON p.key = r.publisher')
  t.strictSame(rows, [{ source: deviceId(2), publisher: gateway }])
  await bench.registry.setState(gateway, 'suspended')
  await new Promise((resolve) => setTimeout(resolve, 1_100))
  await send(deliver(gateway, telemetry(5)))
  t.equal(await count(bench.owner, 'receipt'), 1, 'and no longer after its gateway is suspended')
})

test('replaying what has been mended stores it; replaying twice stores it once', async (t) => {
  const bench = await ingestBench(t)
  const { send } = bench.start()
  await send(relayed(deviceId(2)), deliver(deviceId(9), birth(0)), deliverBytes(gateway, 'telemetry', Buffer.from([0xff])))
  t.equal(await count(bench.owner, 'quarantine'), 3)
  t.strictSame((await outcomes(bench.owner, { filter: {} })).sort(), ['quarantined: not-cbor', 'quarantined: not-paired', 'quarantined: unknown-source'])
  t.equal((await listQuarantine(bench.owner)).every(({ times }) => times === 1), true, 'a failed replay is not another delivery')

  await bench.registry.pair(gateway, deviceId(2), now - 60_000)
  const [relay] = await listQuarantine(bench.owner, { reasons: ['not-paired'] })
  t.strictSame(await outcomes(bench.owner, { ids: [relay?.id ?? 0] }), ['stored'])
  t.strictSame(await outcomes(bench.owner, { ids: [relay?.id ?? 0] }), ['duplicate'])
  await send(relayed(deviceId(2)))
  t.equal(await count(bench.owner, 'receipt'), 1)
  t.equal(await count(bench.owner, 'sample'), 10)
  t.equal((await listQuarantine(bench.owner)).length, 2, 'what was replayed is no longer listed')
  t.match(await showQuarantine(bench.owner, bench.keys, relay?.id ?? 0), { replayOutcome: 'stored' })
  const { rows: [receipt] } = await bench.owner.query<{ ms: number }>('SELECT extract(epoch FROM received_at)::float8 * 1000 AS ms FROM receipt')
  t.equal(Math.round(receipt?.ms ?? 0), now, 'with the time of its first receipt')
  await t.rejects(showQuarantine(bench.owner, bench.keys, 10_000), { code: 'QUARANTINE_UNKNOWN' })
})

test('a poison message in a full batch goes to quarantine alone', async (t) => {
  const bench = await ingestBench(t)
  // something only the database knows to be wrong
  await bench.owner.query('ALTER TABLE sample ADD CONSTRAINT poison CHECK (value IS DISTINCT FROM 166)')
  const { send, worker } = bench.start()
  const message = (seq: number, value: number): Delivery => deliver(deviceId(1), telemetry(seq, {
    samples: [{ metric: metricId('heart-rate'), dtMs: 0, value, quality: 0 }]
  }))
  const outcomes = await send(...Array.from({ length: 1_000 }, (_, seq) => message(seq, seq === 333 || seq === 777 ? 166 : 60)),
    deliverBytes(gateway, 'telemetry', Buffer.from([0xff])))
  t.ok(outcomes.every((error) => error === null))
  t.equal(await count(bench.owner, 'receipt'), 998)
  t.equal(await count(bench.owner, 'sample'), 998)
  const refused = await listQuarantine(bench.owner, { reasons: ['data-error'] })
  t.strictSame(refused.map(({ seq }) => seq).sort(), [333, 777])
  t.match(refused[0]?.detail, /^SQLSTATE 23514/)
  t.notMatch(refused[0]?.detail, /166/, 'no value of the patient')
  t.match(worker.status().totals, { stored: 998, duplicate: 0, quarantined: 3 })
  const { payload } = await showQuarantine(bench.owner, bench.keys, refused[0]?.id ?? 0)
  t.ok(decodeMessage('telemetry', payload).ok, 'the bytes are whole')
})

test('values out of bounds are stored and marked', async (t) => {
  const bench = await ingestBench(t)
  const { send } = bench.start()
  const metric = metricId('heart-rate')
  const payload = encodeTelemetry(telemetry(0, {
    samples: [{ metric, dtMs: 0, value: 70, quality: 0 }, { metric, dtMs: 1, value: 250, quality: 4 }, { metric, dtMs: 2, value: 400, quality: 0 }, { metric, dtMs: 3, value: null, quality: 1 }]
  }))
  await send(deliverBytes(gateway, 'telemetry', Buffer.from(payload)))
  const { rows } = await bench.owner.query('SELECT value, quality FROM sample ORDER BY time')
  t.strictSame(rows, [{ value: 70, quality: 0 }, { value: 250, quality: 2 + 4 }, { value: 400, quality: 32 }, { value: null, quality: 1 }])
})
