// After an erasure nothing that was measured is left in any table, what is sent again stays out, and what was not meant is untouched.
import { setTimeout } from 'node:timers/promises'
import { test } from 'tap'
import { completeness } from '../../ingest/completeness.ts'
import { type Database } from '../../ingest/database.ts'
import { showQuarantine } from '../../ingest/quarantine.ts'
import { searchRemains } from '../../ingest/erase-report.ts'
import { pieces } from '../../ingest/erase-subject.ts'
import { runErasure } from '../../ingest/erase.ts'
import { deliver, deliverBytes, deviceId, metricId, telemetry } from '../fixtures/deliveries.ts'
import { begin, erase } from '../fixtures/erasures.ts'
import { count, ingestBench } from '../fixtures/ingest.ts'
import { storeBoot, type StoredDevice, storeDevice, storeReceipts, storeSamples, storeWave } from '../fixtures/stored.ts'
import { needsServices } from '../services/skip.ts'

const editions = ['plain', 'timescaledb-apache'] as const
const hourMs = 3_600_000
const minuteMs = 60_000
// some hours ago, on the hour
const startMs = Math.floor(Date.now() / hourMs) * hourMs - 30 * hourMs

const wave = (dtMs = -2_000) => ({ metric: metricId('ecg-lead-ii'), dtMs, periodUs: 4_000, scaleNano: 5_000, offset: 0, values: Int16Array.from([1, 2, 3]) })

for (const edition of editions) {
  test(`${edition}: an erased device leaves no value anywhere, and what is sent again is not stored again [C21]`, needsServices, async (t) => {
    const { owner, start, registry, keys } = await ingestBench(t, { edition })
    const { send, worker } = start()
    const [one, two] = [deviceId(1), deviceId(2)]
    const baseWallMs = Date.now() - 10 * minuteMs
    const at = (seq: number, header = {}) => telemetry(seq, { header: { baseWallMs: baseWallMs + seq * 1_000, ...header }, waves: [wave()] })
    const clockless = telemetry(7, { header: { boot: 5n, seq: 7, baseTickMs: 1_000 } })
    const messages = [at(0), at(1), at(3), clockless]
    await send(...messages.map((message) => deliver(one, message)), ...messages.map((message) => deliver(two, message)),
      deliverBytes(one, 'telemetry', Buffer.from([0xff, 1])), deliver(one, at(4, { source: deviceId(3) })), deliver(one, telemetry(5, { samples: [{ metric: 32_000, dtMs: 0, value: 1, quality: 0 }] })))
    await owner.query('SELECT roll_up(1000)')
    t.ok(await count(owner, 'sample_1m', `device = (SELECT key FROM device WHERE id = '${one}')`) > 0)
    const before = await completeness(owner, one)
    const key = `device = (SELECT key FROM device WHERE id = '${one}')`
    const other = `device = (SELECT key FROM device WHERE id = '${two}')`
    const untouched = await Promise.all(['sample', 'wave', 'sample_1m', 'receipt'].map((table) => count(owner, table, other)))

    const { removed, erasure } = await erase(owner, { target: { kind: 'device', id: one } })
    t.match(removed, { samples: 40, waves: 3, quarantined: 2 })
    for (const table of ['sample', 'wave', 'sample_1m', 'sample_1h']) t.equal(await count(owner, table, key), 0, table)
    t.equal(await count(owner, 'receipt', key), 4, 'receipts stay')
    t.strictSame(await Promise.all(['sample', 'wave', 'sample_1m', 'receipt'].map((table) => count(owner, table, other))), untouched, 'another device is untouched')
    t.equal(await count(owner, 'quarantine', `reason = 'erased' AND publisher = '${one}' AND detail = '' AND payload = convert_to('erased: row ' || id, 'UTF8')`), 2)
    t.equal(await count(owner, 'quarantine', `source = '${deviceId(3)}' AND reason = 'not-paired' AND octet_length(payload) > 40`), 1, 'what it relayed belongs to the sensor')
    t.strictSame(await completeness(owner, one), before, 'what came in is told as before')
    t.notOk((await searchRemains(owner, erasure)).some(({ why }) => why === null), 'and the search finds nothing that should not be there')

    // sent again by the device, byte for byte; through another worker too, which knows nothing of it
    const second = start()
    for (const pipeline of [{ send, worker }, second]) {
      const { duplicate } = pipeline.worker.status().totals
      t.strictSame(await pipeline.send(...messages.map((message) => deliver(one, message))), [null, null, null, null])
      t.equal(pipeline.worker.status().totals.duplicate - duplicate, 4, 'duplicates')
    }
    // never seen, of the erased time: counted, with its receipt, and without its values; workers remember a device for a second (lookup.ts)
    await setTimeout(1_100)
    await send(deliver(one, at(2)), deliver(one, telemetry(8, { header: { boot: 5n, seq: 8, baseTickMs: 500 } })))
    await registry.setState(one, 'suspended')
    // workers that do not remember it as active
    for (const pipeline of [start(), start()]) await pipeline.send(deliver(one, at(6)))
    await registry.setState(one, 'active')
    t.equal(await count(owner, 'sample', key), 0)
    t.equal(await count(owner, 'wave', key), 0)
    t.equal(await count(owner, 'receipt', `${key} AND samples = 0 AND waves = 0`), 2)
    const { rows: [late] } = await owner.query<{ id: string }>("SELECT id FROM quarantine WHERE reason = 'erased' AND seq = 6 AND times = 2")
    t.match((await showQuarantine(owner, keys, Number(late?.id))).payload.toString('utf8'), /^erased: /, 'one that must go to quarantine goes there without its bytes')
    t.ok(worker.status().totals.erased >= 21)
    const { stored, duplicate, quarantined } = worker.status().totals
    t.equal(stored + duplicate + quarantined, 8 + 3 + 4 + 2, 'nothing vanished')
    // what is measured from now on is stored
    await send(deliver(one, telemetry(20, { header: { baseWallMs: Date.now() + 15_000 } })))
    t.equal(await count(owner, 'sample', key), 10)
  })

  test(`${edition}: a subject is erased in the times of its assignments, to the value, and its name with it [C21]`, needsServices, async (t) => {
    const { owner } = await ingestBench(t, { edition })
    const device = await storeDevice(owner)
    await measured(owner, device)
    const [from, to] = [startMs + 90_500, startMs + 4 * minuteMs]
    await owner.query("INSERT INTO assignment (device, subject, period) VALUES ($1, 'P-0', tstzrange(NULL, $2)), ($1, 'P-1', tstzrange($2, $3)), ($1, 'P-2', tstzrange($3, NULL))",
      [device.key, new Date(from), new Date(to)])
    const { rows: [key] } = await owner.query<{ id: string }>("INSERT INTO data_key (purpose, master, wrapped) VALUES ('export', 'm', 'w'), ('export', 'm', 'w') RETURNING id")
    const exported = (id: number, subjects: string[], devices: string[]) => owner.query(
      'INSERT INTO export (id, key, made_by, subjects, devices, from_time, to_time) VALUES (gen_random_uuid(), $1, \'x\', $2, $3, $4, $5)', [Number(key?.id) + id, subjects, devices, new Date(startMs), new Date(startMs + minuteMs)])
    await exported(0, ['P-1'], [])
    await exported(1, ['P-2'], [device.id])

    const { erasure, removed } = await erase(owner, { target: { kind: 'subject', id: 'P-1' } })
    const left = (await owner.query<{ at: number }>('SELECT extract(epoch FROM time)::float8 AS at FROM sample ORDER BY time')).rows.map(({ at }) => at * 1_000 - startMs)
    t.strictSame(left, Array.from({ length: 60 }, (_, i) => i * 10_000).filter((ms) => ms < from - startMs || ms >= to - startMs))
    const minutes = (await owner.query<{ at: number, count: string }>('SELECT extract(epoch FROM time)::float8 AS at, count FROM sample_1m ORDER BY time')).rows
    t.strictSame(minutes.map(({ at, count }) => [(at * 1_000 - startMs) / minuteMs, Number(count)]), [[0, 6], [1, 4], [4, 6], [5, 6], [6, 6], [7, 6], [8, 6], [9, 6]], 'minutes at the edge are made again')
    t.strictSame((await owner.query('SELECT count FROM sample_1h')).rows, [{ count: String(left.length) }], 'the hour too')
    const waves = (await owner.query<{ at: number, values: number[] }>('SELECT extract(epoch FROM time)::float8 AS at, "values" FROM wave ORDER BY time')).rows
    t.strictSame(waves.map(({ at, values }) => [at * 1_000 - startMs, values]), [[90_000, [0]], [240_000, [3, 4]]], 'blocks across an edge keep what is not the subject’s')
    t.equal(await count(owner, 'assignment', `subject = '${erasure.tombstone}'`), 1)
    t.strictSame((await owner.query("SELECT subject FROM assignment WHERE subject LIKE 'P-%' ORDER BY 1")).rows, [{ subject: 'P-0' }, { subject: 'P-2' }])
    t.match(removed, { exports: 1, assignments: 1 })
    t.strictSame((await owner.query("SELECT wrapped IS NULL AS gone, destroyed_at IS NOT NULL AS noted FROM data_key WHERE purpose = 'export' ORDER BY id")).rows, [{ gone: true, noted: true }, { gone: false, noted: false }])
    for (const table of ['assignment', 'export', 'erasure']) t.equal(await count(owner, table, `to_jsonb(${table})::text LIKE '%P-1"%'`), 0, `${table} does not know the subject`)
    t.strictSame((await searchRemains(owner, erasure)).filter(({ table }) => !['sample_1m', 'sample_1h'].includes(table)), [])
    await t.rejects(erase(owner, { target: { kind: 'subject', id: 'P-1' } }), { code: 'SUBJECT_UNKNOWN' })
  })

  test(`${edition}: an erasure that was interrupted anywhere goes on where it was [C21]`, needsServices, async (t) => {
    const { owner } = await ingestBench(t, { edition })
    const device = await storeDevice(owner)
    for (const hours of [0, 1, 2, 5, 26]) await storeSamples(owner, device, 1, [{ timeMs: startMs + hours * hourMs, value: hours }])
    await owner.query('SELECT roll_up(1000)')
    const request = { target: { kind: 'device', id: device.id } } as const
    const ids = new Set<number>()
    let runs = 0
    for (let finished = false; !finished; runs++) {
      const stop = new AbortController()
      const erasure = await begin(owner, request)
      ids.add(erasure.id)
      t.equal(erasure.resumed, runs > 0)
      let steps = 0
      finished = await runErasure(owner, erasure, { settleMs: 0, signal: stop.signal, onProgress: ({ doneTo }) => { if (doneTo !== null && ++steps === 2) stop.abort() } }).then(() => true, () => false)
      if (runs > 20) break
    }
    t.equal(ids.size, 1)
    t.ok(runs > 2)
    t.equal(await count(owner, 'sample'), 0)
    t.match((await owner.query('SELECT removed, finished_at IS NOT NULL AS done FROM erasure')).rows, [{ removed: { samples: 5 }, done: true }], 'and counts each row once')
  })
}

test('a worker that wrote by what it knew before is made good by the next upkeep [C21]', needsServices, async (t) => {
  const { owner, database } = await ingestBench(t, { edition: 'plain' })
  const device = await storeDevice(owner)
  await storeSamples(owner, device, 1, [{ timeMs: startMs, value: 1 }])
  await erase(owner, { target: { kind: 'device', id: device.id } })
  await storeSamples(owner, device, 1, [{ timeMs: startMs, value: 1 }, { timeMs: startMs + 40 * hourMs, value: 2 }])
  t.strictSame((await database.query('SELECT erase_again()::int AS slices')).rows, [{ slices: 1 }])
  t.strictSame((await owner.query('SELECT value FROM sample')).rows, [{ value: 2 }], 'what is not of the erased time stays')
})

test('part of a device: only what lies in it, payloads in quarantine by their own time', needsServices, async (t) => {
  const { owner, start } = await ingestBench(t)
  const { send } = start()
  const bad = (seq: number, baseWallMs: number) => deliver(deviceId(1), telemetry(seq, { header: { baseWallMs }, samples: [{ metric: 32_000, dtMs: 0, value: 1, quality: 0 }] }))
  await send(bad(0, startMs), bad(1, startMs + hourMs), bad(2, startMs + 2 * hourMs), deliver(deviceId(1), telemetry(3, { header: { baseWallMs: startMs + 10_000 } })))
  await erase(owner, { target: { kind: 'device', id: deviceId(1) }, fromMs: startMs + hourMs, toMs: startMs + 2 * hourMs })
  t.strictSame((await owner.query('SELECT seq::int, reason FROM quarantine ORDER BY seq')).rows, [{ seq: 0, reason: 'unknown-metric' }, { seq: 1, reason: 'erased' }, { seq: 2, reason: 'unknown-metric' }])
  t.equal(await count(owner, 'sample'), 10)
  await t.rejects(erase(owner, { target: { kind: 'device', id: deviceId(1) }, fromMs: startMs, toMs: startMs }), { code: 'ERASURE_TIME' })
  await t.rejects(erase(owner, { target: { kind: 'device', id: deviceId(99) } }), { code: 'DEVICE_UNKNOWN' })
})

test('what an assignment becomes', async (t) => {
  const names = { subject: 'P', tombstone: 'x', whole: false }
  const day = (n: number): Date => new Date(Date.UTC(2026, 0, n))
  t.strictSame(pieces({ lower: day(1), upper: null }, { from: day(2), to: day(3) }, names), [
    { subject: 'P', lower: day(1), upper: day(2) }, { subject: 'x', lower: day(2), upper: day(3) }, { subject: 'P', lower: day(3), upper: null }])
  t.strictSame(pieces({ lower: null, upper: day(2) }, { from: null, to: day(9) }, names), [{ subject: 'x', lower: null, upper: day(2) }])
  t.strictSame(pieces({ lower: day(1), upper: null }, { from: day(1), to: day(3) }, { ...names, whole: true }), [{ subject: 'x', lower: day(1), upper: day(3) }])
})

/** Ten minutes of samples every ten seconds, and two blocks of waves: across 1:30.5 and across 4:00. */
async function measured (owner: Database, device: StoredDevice): Promise<void> {
  const boot = await storeBoot(owner, device, 1n, startMs)
  const times = Array.from({ length: 60 }, (_, i) => startMs + i * 10_000)
  await storeReceipts(owner, device, boot, times.map((timeMs, seq) => ({ seq, timeMs })))
  await storeSamples(owner, device, 1, times.map((timeMs) => ({ timeMs, value: 1 })))
  const block = { periodUs: 1_000_000, scale: 1, offset: 0 }
  await storeWave(owner, device, 4, { ...block, timeMs: startMs + 90_000, values: [0, 1, 2] })
  await storeWave(owner, device, 4, { ...block, timeMs: startMs + 237_000, values: [0, 1, 2, 3, 4] })
  await owner.query('SELECT roll_up(1000)')
}
