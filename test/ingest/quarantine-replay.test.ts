// Replay at scale: bounded pages, a dry run that leaves nothing, refusals that count nothing, and two at once.
import { test, type Test } from 'tap'
import { countQuarantine, listQuarantine, showQuarantine } from '../../ingest/quarantine.ts'
import { openReplay } from '../../ingest/quarantine-replay.ts'
import { type Database } from '../../ingest/database.ts'
import { deliver, deliverBytes, type Delivery, deviceId, metricId, telemetry } from '../fixtures/deliveries.ts'
import { type Bench, count, ingestBench, replayAll, retentionMs } from '../fixtures/ingest.ts'
import { plantPlain } from '../fixtures/plain-quarantine.ts'
import { needsServices } from '../services/skip.ts'

const gateway = deviceId(1)
const sensor = deviceId(2)
const dayMs = 86_400_000

/** Message `seq` of the sensor through a gateway it is not paired with; without a clock when `clock` is false. */
function unpaired (seq: number, { clock = true, values = 1 } = {}): Delivery {
  const header = { source: sensor, boot: 7n, seq, ...(clock ? { baseTickMs: seq, baseWallMs: Date.now() - 1_000 } : { baseTickMs: seq * 1_000 }) }
  const samples = Array.from({ length: values }, (_, i) => ({ metric: metricId('heart-rate'), dtMs: -i, value: 60, quality: 0 }))
  return deliver(gateway, telemetry(seq, { header, samples }))
}

async function benchWith (t: Test, deliveries: Delivery[]): Promise<Bench & { pair: () => Promise<void> }> {
  const bench = await ingestBench(t)
  const pipeline = bench.start()
  await pipeline.send(...deliveries)
  return { ...bench, pair: () => bench.registry.pair(gateway, sensor, Date.now() - 3_600_000) }
}

/** Everything a replay could change. */
async function contents (database: Database): Promise<unknown> {
  const tables = ['receipt', 'sample', 'wave', 'device_boot', 'rollup_mark']
  const counts = await Promise.all(tables.map((table) => count(database, table)))
  const { rows } = await database.query('SELECT id, reason, times, source, boot, seq, replayed_at, replay_outcome FROM quarantine ORDER BY id')
  return { counts, rows }
}

const stored = { outcome: 'stored', reason: null }
const numbers = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, i) => from + i)

test('pages are bounded in rows and in bytes, and together they are everything once', needsServices, async (t) => {
  const bench = await benchWith(t, numbers(0, 30).map((seq) => unpaired(seq, { values: seq % 10 === 9 ? 200 : 1 })))
  await bench.pair()
  const replay = await openReplay(bench.owner, { filter: { reasons: ['not-paired'] } }, { retentionMs, keys: bench.keys, bounds: { rows: 7, bytes: 1_000 } })
  t.equal(replay.total, 30)
  const sizes: number[] = []
  let lastId = 0
  for (let page = await replay.next(); page !== null; page = await replay.next()) {
    sizes.push(page.results.length)
    t.ok(page.results.every(({ id }) => id > lastId), 'in the order of their numbers')
    lastId = page.lastId
    t.equal(await count(bench.owner, 'quarantine', 'replayed_at IS NOT NULL'), sizes.reduce((sum, size) => sum + size, 0), 'marked page by page')
  }
  t.equal(sizes.reduce((sum, size) => sum + size, 0), 30)
  t.ok(sizes.every((size) => size <= 7))
  t.ok(sizes.slice(0, -1).some((size) => size < 7), 'a page of large messages is shorter')
  t.equal(await count(bench.owner, 'receipt'), 30)
  t.equal(await count(bench.owner, 'sample'), 27 + 3 * 200)
})

test('what comes in while a replay runs is not part of it', needsServices, async (t) => {
  const bench = await ingestBench(t)
  const pipeline = bench.start()
  await pipeline.send(...numbers(0, 3).map((seq) => unpaired(seq)))
  const replay = await openReplay(bench.owner, { filter: {} }, { retentionMs, keys: bench.keys, bounds: { rows: 2, bytes: 1e6 } })
  await replay.next()
  await pipeline.send(unpaired(3))
  t.equal((await replay.next())?.results.length, 1)
  t.equal(await replay.next(), null)
})

test('a dry run foresees a replay and leaves no trace', needsServices, async (t) => {
  const twice = unpaired(5)
  const bench = await benchWith(t, [
    ...numbers(0, 4).map((seq) => unpaired(seq, { clock: false })), twice,
    deliver(deviceId(9), telemetry(0)), deliverBytes(gateway, 'telemetry', Buffer.from([0xff]))
  ])
  await bench.pair()
  // stored meanwhile, by a resend
  const pipeline = bench.start()
  await pipeline.send(deliverBytes(gateway, 'telemetry', twice.envelope.payload))
  t.equal(await count(bench.owner, 'receipt'), 1)
  const before = await contents(bench.owner)
  const foreseen = await replayAll(bench.owner, { filter: {} }, { dryRun: true, bounds: { rows: 2, bytes: 1e6 } })
  t.strictSame(await contents(bench.owner), before, 'nothing is written, no boot, no mark')
  t.strictSame(foreseen.map(({ outcome, reason }) => reason ?? outcome).sort(), ['duplicate', 'not-cbor', 'stored', 'stored', 'stored', 'stored', 'unknown-source'])
  t.strictSame(await replayAll(bench.owner, { filter: {} }), foreseen, 'and so it comes')
})

test('one message under two reasons is foreseen, and stored, once', needsServices, async (t) => {
  const only = unpaired(0)
  const bench = await benchWith(t, [only])
  await plantPlain(bench.owner, { ...only.envelope, reason: 'decoder-fault' })
  await bench.pair()
  const bounds = { rows: 1, bytes: 1e6 } // on two pages
  t.strictSame((await replayAll(bench.owner, { filter: {} }, { dryRun: true, bounds })).map(({ outcome }) => outcome), ['stored', 'duplicate'])
  t.strictSame((await replayAll(bench.owner, { filter: {} }, { bounds })).map(({ outcome }) => outcome), ['stored', 'duplicate'])
  t.equal(await count(bench.owner, 'receipt'), 1)
})

test('what the database refuses stays once, and is not counted as a delivery', needsServices, async (t) => {
  const first = unpaired(0)
  const bench = await benchWith(t, [first, unpaired(1)])
  await bench.pair()
  // the same bytes under a second reason: the repeat within the page must not pass for stored
  await plantPlain(bench.owner, { ...first.envelope, reason: 'decoder-fault' })
  await bench.owner.query('ALTER TABLE sample ADD CONSTRAINT poison CHECK (value IS NULL)')
  const refused = { outcome: 'quarantined', reason: 'data-error' }
  const twice = [await replayAll(bench.owner, { filter: {} }), await replayAll(bench.owner, { filter: {} })]
  t.match(twice[0], [refused, refused, refused])
  t.match(twice[1], [refused, refused], 'one row a message is left')
  const left = await listQuarantine(bench.owner)
  t.strictSame(left.map(({ reason, times, seq }) => ({ reason, times, seq })).sort((a, b) => (a.seq ?? 0) - (b.seq ?? 0)), [{ reason: 'data-error', times: 1, seq: 0 }, { reason: 'data-error', times: 1, seq: 1 }])
  t.equal(await count(bench.owner, 'receipt'), 0)
  await bench.owner.query('ALTER TABLE sample DROP CONSTRAINT poison')
  t.match(await replayAll(bench.owner, { filter: {} }), [stored, stored])
  t.equal(await count(bench.owner, 'receipt'), 2)
  t.equal((await listQuarantine(bench.owner)).length, 0)
})

test('a row that still cannot be stored says what is wrong now, and the header that can be read now', needsServices, async (t) => {
  const bench = await ingestBench(t)
  // its header could not be read by the version that put it there
  await plantPlain(bench.owner, { ...unpaired(3).envelope, reason: 'wrong-type' })
  t.match(await replayAll(bench.owner, { filter: {} }), [{ outcome: 'quarantined', reason: 'not-paired' }])
  const [entry] = await listQuarantine(bench.owner, { source: sensor })
  t.match(entry, { reason: 'wrong-type', replayedAt: null, replayOutcome: 'quarantined: not-paired', source: sensor, boot: 7n, seq: 3 })
})

test('older than what is kept today: stays, for its receipt may have been dropped', needsServices, async (t) => {
  const receivedAtMs = Date.now() - 20 * dayMs
  const old = deliver(gateway, telemetry(0, { header: { source: sensor, boot: 1n, baseTickMs: 0, baseWallMs: receivedAtMs - 20 * dayMs } }), receivedAtMs)
  const bench = await benchWith(t, [old, unpaired(1)])
  await bench.registry.pair(gateway, sensor, Date.now() - 100 * dayMs)
  const reasons = async (options: Parameters<typeof replayAll>[2]): Promise<string[]> => (await replayAll(bench.owner, { filter: {} }, options)).map(({ outcome, reason }) => reason ?? outcome).sort()
  t.strictSame(await reasons({ retentionMs: 30 * dayMs, dryRun: true }), ['stored', 'too-old'], 'by the setting')
  await bench.owner.query("UPDATE retention SET dropped_before = now() - INTERVAL '30 days'")
  t.strictSame(await reasons({}), ['stored', 'too-old'], 'by what retention has dropped')
  t.equal(await count(bench.owner, 'receipt'), 1)
})

test('two replays at once, and a device that sends again meanwhile: each message is stored once', needsServices, async (t) => {
  const deliveries = numbers(0, 400).map((seq) => unpaired(seq))
  const bench = await benchWith(t, deliveries)
  await bench.pair()
  const pipeline = bench.start()
  const bounds = { rows: 50, bytes: 1e6 }
  const [one, two] = await Promise.all([
    replayAll(bench.owner, { filter: {} }, { bounds }),
    replayAll(bench.owner, { filter: {} }, { bounds }),
    pipeline.send(...deliveries.slice(100, 200).map(({ envelope: { payload } }) => deliverBytes(gateway, 'telemetry', payload)))
  ])
  t.ok([...one, ...two].every(({ reason }) => reason === null), 'none stays')
  t.equal(await count(bench.owner, 'receipt'), 400)
  t.equal(await count(bench.owner, 'sample'), 400)
  t.equal(await count(bench.owner, 'quarantine', 'replayed_at IS NULL'), 0)
})

test('numbers that are not there are named, and nothing is replayed', needsServices, async (t) => {
  const bench = await benchWith(t, [unpaired(0)])
  await bench.pair()
  const [entry] = await listQuarantine(bench.owner)
  await t.rejects(openReplay(bench.owner, { ids: [entry?.id ?? 0, 77, 78] }, { retentionMs, keys: bench.keys }), { code: 'QUARANTINE_UNKNOWN', message: /numbers 77, 78; nothing was replayed/ })
  t.match(await showQuarantine(bench.owner, bench.keys, entry?.id ?? 0), { replayedAt: null })
})

test('filters find what they say, page by page', needsServices, async (t) => {
  const bench = await benchWith(t, [
    ...numbers(0, 5).map((seq) => unpaired(seq)), deliver(deviceId(9), telemetry(0)),
    deliverBytes(gateway, 'result', Buffer.from([0xa0])), deliverBytes(deviceId(3), 'telemetry', Buffer.from([0xff]), Date.now() - dayMs)
  ])
  const found = async (filter: Parameters<typeof listQuarantine>[1]): Promise<string[]> => (await listQuarantine(bench.owner, filter)).map(({ reason }) => reason).sort()
  t.strictSame(await found({ reasons: ['not-cbor', 'unknown-source'] }), ['not-cbor', 'unknown-source'])
  t.strictSame(await found({ publisher: deviceId(9) }), ['unknown-source'])
  t.strictSame(await found({ source: sensor }), Array(5).fill('not-paired'))
  t.strictSame(await found({ source: deviceId(3) }), ['not-cbor'], 'a header that cannot be read: the publisher')
  t.strictSame(await found({ kind: 'result' }), ['unsupported-kind'])
  t.strictSame(await found({ untilMs: Date.now() - dayMs / 2 }), ['not-cbor'])
  t.equal((await found({ sinceMs: Date.now() - dayMs / 2 })).length, 7)
  t.strictSame(await countQuarantine(bench.owner, { sinceMs: Date.now() - dayMs / 2, kind: 'telemetry' }), [{ reason: 'not-paired', messages: 5 }, { reason: 'unknown-source', messages: 1 }])
  const pages: number[][] = []
  for (let before: number | undefined; ;) {
    const page = await listQuarantine(bench.owner, { limit: 3, ...(before !== undefined && { before }) })
    if (page.length === 0) break
    pages.push(page.map(({ id }) => id))
    before = page.at(-1)?.id
  }
  t.strictSame(pages.map(({ length }) => length), [3, 3, 2])
  t.equal(new Set(pages.flat()).size, 8)
})
