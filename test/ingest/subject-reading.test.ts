// What was measured on a subject: exactly what fell in the device's assignment to it, to the millisecond, on every edition.
import { test, type Test } from 'tap'
import { type Database, openDatabase } from '../../ingest/database.ts'
import { metricId } from '../fixtures/deliveries.ts'
import { storeDevice, type StoredDevice, storeSamples, storeWave } from '../fixtures/stored.ts'
import { needsServices } from '../services/skip.ts'
import { temporaryDatabase } from '../services/timescaledb.ts'

const heartRate = metricId('heart-rate')
const leadII = metricId('ecg-lead-ii')
const hourMs = 3_600_000
// yesterday, so that partitions may be made for all of it
const t0 = Math.floor(Date.now() / hourMs) * hourMs - 24 * hourMs

async function open (t: Test, edition: 'plain' | 'timescaledb-apache'): Promise<{ database: Database, reader: Database }> {
  const { url } = await temporaryDatabase(t, { edition })
  const database = openDatabase(url)
  const reader = openDatabase(url, { role: 'pulsegate_reader' })
  t.teardown(async () => { await reader.close(); await database.close() })
  return { database, reader }
}

async function assign (database: Database, device: StoredDevice, subject: string, fromMs: number | null, untilMs: number | null): Promise<void> {
  const time = (ms: number | null): Date | null => ms === null ? null : new Date(ms)
  await database.query('INSERT INTO assignment (device, subject, period) VALUES ($1, $2, tstzrange($3, $4))', [device.key, subject, time(fromMs), time(untilMs)])
}

for (const edition of ['plain', 'timescaledb-apache'] as const) {
  test(`${edition}: a device handed from one subject to the next: each reading belongs to exactly one`, needsServices, async (t) => {
    const { database, reader } = await open(t, edition)
    const device = await storeDevice(database)
    const other = await storeDevice(database)
    const [begins, moves, ends] = [t0 + 123, t0 + 60_457, t0 + 120_789] as const
    await assign(database, device, 'subject-a', begins, moves)
    await assign(database, device, 'subject-b', moves, ends)
    await assign(database, device, 'subject-a', ends + 10_000, null)
    await assign(database, other, 'subject-b', null, null)
    const times = [begins - 1, begins, moves - 1, moves, moves + 1, ends - 1, ends, ends + 9_999, ends + 10_000, ends + 50_000]
    await storeSamples(database, device, heartRate, times.map((timeMs, value) => ({ timeMs, value })))
    await storeSamples(database, other, heartRate, [{ timeMs: moves, value: 100 }])
    const valuesOf = async (subject: string): Promise<number[]> => (await reader.query<{ value: number }>(
      "SELECT value FROM subject_reading WHERE subject = $1 AND metric = 'heart-rate' ORDER BY time, value", [subject])).rows.map(({ value }) => value)
    t.strictSame(await valuesOf('subject-a'), [1, 2, 8, 9])
    t.strictSame(await valuesOf('subject-b'), [3, 100, 4, 5])
    const { rows } = await reader.query('SELECT count(*)::int AS n, count(DISTINCT (device, time))::int AS different FROM subject_reading')
    t.strictSame(rows, [{ n: 8, different: 8 }], 'none twice, and those in nobody\'s time in nobody\'s view')
    // late data, back-dated: the time of the measurement decides
    await storeSamples(database, device, heartRate, [{ timeMs: begins + 5, value: 40 }])
    t.strictSame(await valuesOf('subject-a'), [1, 40, 2, 8, 9])
    const latest = await reader.query('SELECT subject, device, metric, value FROM subject_latest ORDER BY subject')
    t.strictSame(latest.rows, [
      { subject: 'subject-a', device: device.id, metric: 'heart-rate', value: 9 }, { subject: 'subject-b', device: other.id, metric: 'heart-rate', value: 100 }
    ], 'of assignments that hold now')
    const { rows: [columns] } = await reader.query('SELECT * FROM subject_reading LIMIT 1')
    t.strictSame(Object.keys(columns ?? {}), ['time', 'subject', 'device', 'device_kind', 'metric', 'value', 'unit', 'quality', 'mdc', 'loinc'])
  })

  test(`${edition}: a wave across a hand-over is cut, and no value of it is lost or shown to both`, needsServices, async (t) => {
    const { database, reader } = await open(t, edition)
    const device = await storeDevice(database)
    const values = Array.from({ length: 250 }, (_, i) => i)
    const wave = { timeMs: t0, periodUs: 4_000, scale: 1, offset: 0, values }
    await storeWave(database, device, leadII, wave)
    await storeWave(database, device, leadII, { ...wave, timeMs: t0 + 1_000 })
    // value 100 of the first block is at exactly 400 ms; 1.4 s and 1 µs lies after value 100 of the second
    await assign(database, device, 'subject-a', null, t0 + 400)
    await assign(database, device, 'subject-b', t0 + 400, t0 + 1_000)
    await database.query("INSERT INTO assignment (device, subject, period) VALUES ($1, 'subject-c', tstzrange($2, $2::timestamptz + INTERVAL '400001 us'))", [device.key, new Date(t0 + 1_000)])
    const blocks = async (subject: string): Promise<unknown[]> => (await reader.query<{ values: number[], us: string, end_us: string }>(`
      SELECT "values", (extract(epoch FROM time) * 1000000)::int8 AS us, (extract(epoch FROM end_time) * 1000000)::int8 AS end_us
      FROM subject_wave_block WHERE subject = $1 AND metric = 'ecg-lead-ii' ORDER BY time`, [subject])).rows
      .map(({ values, us, end_us: endUs }) => [values.length, values[0], values.at(-1), Number(us) - t0 * 1_000, Number(endUs) - t0 * 1_000])
    t.strictSame(await blocks('subject-a'), [[100, 0, 99, 0, 400_000]])
    t.strictSame(await blocks('subject-b'), [[150, 100, 249, 400_000, 1_000_000]])
    t.strictSame(await blocks('subject-c'), [[101, 0, 100, 1_000_000, 1_404_000]])
  })

  test(`${edition}: one subject and one hour: no other device, subject or hour is scanned`, needsServices, async (t) => {
    const { database } = await open(t, edition)
    const devices = await Promise.all(Array.from({ length: 10 }, () => storeDevice(database)))
    for (const [index, device] of devices.entries()) {
      await assign(database, device, `subject-${index}`, t0 - hourMs, null)
      await database.query(`INSERT INTO sample (time, value, device, metric, quality)
        SELECT to_timestamp($1::float8 / 1000) + i * INTERVAL '10 seconds', 1, $2, m.id, 0
        FROM generate_series(0, 1079) AS i, (SELECT id FROM metric WHERE NOT wave ORDER BY id LIMIT 8) AS m`, [t0 - hourMs, device.key])
    }
    await database.query('ANALYZE')
    const explain = async (more = ''): Promise<Node[]> => {
      const { rows: [plan] } = await database.query<{ 'QUERY PLAN': [{ Plan: Node }] }>(`EXPLAIN (ANALYZE, FORMAT JSON)
        SELECT time, value FROM subject_reading WHERE subject = 'subject-7' AND time >= '${new Date(t0).toISOString()}' AND time < '${new Date(t0 + hourMs).toISOString()}' ${more}`)
      return flat(plan?.['QUERY PLAN'][0].Plan as Node)
    }
    const cases = [['', 8 * 360, /device = .*time" >= .*time" < /], ["AND metric = 'heart-rate'", 360, /device = .*metric = .*time" >= .*time" < /]] as const
    for (const [more, wanted, narrowed] of cases) {
      const nodes = await explain(more)
      const scans = nodes.filter(({ 'Relation Name': relation = '' }) => /sample|_hyper_/.test(relation))
      t.ok(scans.length > 0)
      for (const scan of scans) {
        t.match(scan['Node Type'], /Index (Only )?Scan/)
        t.match(scan['Index Cond'], narrowed, 'the index narrows the range')
      }
      const read = nodes.reduce((sum, node) => sum + ('Relation Name' in node ? (node['Actual Rows'] + (node['Rows Removed by Filter'] ?? 0)) * node['Actual Loops'] : 0), 0)
      t.equal(nodes[0]?.['Actual Rows'], wanted)
      t.ok(read < wanted + 500, `${read} rows read for ${wanted}, the small tables of devices, assignments and metrics included`)
    }
  })
}

interface Node {
  readonly 'Node Type': string
  readonly 'Relation Name'?: string
  readonly 'Index Cond'?: string
  readonly 'Actual Rows': number
  readonly 'Actual Loops': number
  readonly 'Rows Removed by Filter'?: number
  readonly Plans?: readonly Node[]
}

function flat (node: Node): Node[] { return [node, ...(node.Plans ?? []).flatMap(flat)] }
