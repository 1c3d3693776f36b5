// What a backend reads is the same in every edition.
import { test, type Test } from 'tap'
import { openDatabase } from '../../ingest/database.ts'
import { startMaintenance } from '../../ingest/maintenance.ts'
import { quietObservability } from '../../runtime/observability.ts'
import { storeDevice, storeSamples, storeWave } from '../fixtures/stored.ts'
import { needsServices } from '../services/skip.ts'
import { temporaryDatabase } from '../services/timescaledb.ts'

const minuteMs = 60_000
// yesterday, on the hour: never in the future, never at the edge of what partitions may be made for
const startMs = Math.floor(Date.now() / 3_600_000) * 3_600_000 - 86_400_000
const ids = ['00000000-0000-4000-8000-00000000000a', '00000000-0000-4000-8000-00000000000b'] as const
const heartRate = 1
const leadII = 4
const spo2 = 10

async function fill (t: Test, edition: 'plain' | 'timescaledb-apache') {
  const { url } = await temporaryDatabase(t, { edition })
  const database = openDatabase(url)
  const maintenance = startMaintenance({ database, observability: quietObservability(), retentionDays: 90, rollupEveryMs: 600_000 })
  t.teardown(async () => { await maintenance.close(); await database.close() })
  const patch = await storeDevice(database, { id: ids[0], kind: 'ecg-patch' })
  const oximeter = await storeDevice(database, { id: ids[1], kind: 'pulse-oximeter' })
  await storeSamples(database, patch, heartRate, [60, 70, 80, null, 62].map((value, index) => ({ timeMs: startMs + index * 30_000, value, quality: value === null ? 1 : 0 })))
  await storeSamples(database, oximeter, spo2, [{ timeMs: startMs + 5 * minuteMs, value: 97.1 }, { timeMs: startMs + 2 * 3_600_000, value: 95.3 }])
  await storeWave(database, patch, leadII, { timeMs: startMs, periodUs: 4_000, scale: 0.1, offset: 2, values: [1, -3, 32_767, -32_768] })
  await maintenance.rollUp()
  return { database, maintenance, patch, oximeter }
}

async function everything ({ database }: Awaited<ReturnType<typeof fill>>) {
  const views = ['reading', 'latest_reading', 'reading_1m', 'reading_1h', 'wave_block', 'wave_sample']
  const rows = await Promise.all(views.map(async (view) => {
    const { rows } = await database.query<{ row: unknown }>(`SELECT to_jsonb(v) AS row FROM ${view} v ORDER BY device, metric, time`)
    return [view, rows.map(({ row }) => row)] as const
  }))
  return Object.fromEntries(rows)
}

test('plain PostgreSQL and TimescaleDB give the same rows in every view', needsServices, async (t) => {
  const plain = await everything(await fill(t, 'plain'))
  const hypertable = await everything(await fill(t, 'timescaledb-apache'))
  for (const [view, rows] of Object.entries(hypertable)) {
    t.ok(rows.length > 0, `${view} has rows`)
    t.strictSame(plain[view], rows, view)
  }
})

for (const edition of ['plain', 'timescaledb-apache'] as const) {
  test(`${edition}: readings carry names and units, exactly as stored`, needsServices, async (t) => {
    const { database } = await fill(t, edition)
    const { rows } = await database.query("SELECT metric, value, unit, quality FROM reading WHERE device = $1 AND metric = 'spo2' ORDER BY time", [ids[1]])
    t.strictSame(rows, [{ metric: 'spo2', value: 97.1, unit: '%', quality: 0 }, { metric: 'spo2', value: 95.3, unit: '%', quality: 0 }])
    const missing = await database.query("SELECT value, quality FROM reading WHERE device = $1 AND metric = 'heart-rate' AND value IS NULL", [ids[0]])
    t.strictSame(missing.rows, [{ value: null, quality: 1 }], 'a missing value is there, as null')
  })

  test(`${edition}: the latest reading of each series is one row`, needsServices, async (t) => {
    const { database } = await fill(t, edition)
    const { rows } = await database.query('SELECT device, metric, value FROM latest_reading ORDER BY device')
    t.strictSame(rows, [{ device: ids[0], metric: 'heart-rate', value: 62 }, { device: ids[1], metric: 'spo2', value: 95.3 }])
  })

  test(`${edition}: every value of a wave has its own time and its exact physical value`, needsServices, async (t) => {
    const { database } = await fill(t, edition)
    const { rows } = await database.query<{ us: string, value: number, raw: number }>(
      "SELECT (extract(epoch FROM time) * 1000000)::int8 AS us, value, raw FROM wave_sample WHERE device = $1 AND metric = 'ecg-lead-ii' ORDER BY time", [ids[0]])
    t.strictSame(rows.map(({ us }) => Number(us) - startMs * 1_000), [0, 4_000, 8_000, 12_000])
    t.strictSame(rows.map(({ raw }) => raw), [1, -3, 32_767, -32_768])
    t.strictSame(rows.map(({ value }) => value), [0.3, -0.1, 3276.9, -3276.6])
    const part = await database.query("SELECT raw FROM wave_values($1, 'ecg-lead-ii', $2, $3)", [ids[0], new Date(startMs + 4), new Date(startMs + 12)])
    t.strictSame(part.rows, [{ raw: -3 }, { raw: 32_767 }], 'a block that began before the interval counts')
  })

  test(`${edition}: rollups take in late data, and only what has a value`, needsServices, async (t) => {
    const { database, maintenance, patch } = await fill(t, edition)
    const minute = () => database.query("SELECT count, min, max, avg FROM reading_1m WHERE device = $1 AND metric = 'heart-rate' ORDER BY time", [ids[0]])
    t.strictSame((await minute()).rows, [
      { count: '2', min: 60, max: 70, avg: 65 }, { count: '1', min: 80, max: 80, avg: 80 }, { count: '1', min: 62, max: 62, avg: 62 }
    ])
    await storeSamples(database, patch, heartRate, [{ timeMs: startMs + 15_000, value: 110 }])
    t.equal(await maintenance.rollUp(), 1, 'one device-minute was touched')
    t.match((await minute()).rows[0], { count: '3', min: 60, max: 110, avg: 80 })
    const hours = await database.query("SELECT count, min, max, avg FROM reading_1h WHERE device = $1 AND metric = 'heart-rate'", [ids[0]])
    t.strictSame(hours.rows, [{ count: '5', min: 60, max: 110, avg: 76.4 }])
    t.equal(await maintenance.rollUp(), 0, 'nothing is left to do')
  })

  test(`${edition}: data late by seven days is rolled up where it belongs`, needsServices, async (t) => {
    const { database, maintenance, patch } = await fill(t, edition)
    await storeSamples(database, patch, heartRate, [{ timeMs: startMs - 7 * 86_400_000, value: 55 }])
    await maintenance.rollUp()
    const { rows } = await database.query("SELECT time, count, avg FROM reading_1h WHERE metric = 'heart-rate' ORDER BY time LIMIT 1")
    t.strictSame(rows, [{ time: new Date(startMs - 7 * 86_400_000), count: '1', avg: 55 }])
  })
}

test('a minute that is not over is rolled up when it is', needsServices, async (t) => {
  const { database, maintenance, patch } = await fill(t, 'plain')
  const inTwoMinutes = Date.now() + 2 * minuteMs
  await storeSamples(database, patch, heartRate, [{ timeMs: inTwoMinutes, value: 99 }])
  t.equal(await maintenance.rollUp(), 0)
  const marks = await database.query('SELECT devices, minutes FROM rollup_mark')
  t.strictSame(marks.rows, [{ devices: [patch.key], minutes: [Math.floor(inTwoMinutes / minuteMs)] }], 'its mark stays')
  await database.query('UPDATE rollup_mark SET minutes = $1', [[Math.floor(startMs / minuteMs)]])
  t.equal(await maintenance.rollUp(), 1, 'and is taken when its time has come')
})
