// What a tenant's query costs: one device and an hour stay one index range in one day, whatever else the tables hold. The plan as it
// ran is compared, not an estimate, so that a barrier that keeps a condition from the index fails here.
import { test } from 'tap'
import { openDatabase } from '../../ingest/database.ts'
import { needsServices } from '../services/skip.ts'
import { startMs, type Ward, ward } from '../fixtures/tenants.ts'

const perDay = 8_640 // one in ten seconds
const days = 4

interface Node { 'Node Type': string, 'Relation Name'?: string, 'Index Cond'?: string, 'Actual Rows': number, 'Actual Loops': number, Plans?: Node[] }

/** Four days of two metrics of each device of the ward. */
async function fill ({ owner }: Ward): Promise<void> {
  for (let day = 0; day < days; day++) {
    const from = new Date(startMs - day * 86_400_000)
    await owner.query("SELECT ensure_partitions($1::timestamptz - INTERVAL '1 day', $1)", [from])
    await owner.query(`INSERT INTO sample (time, value, device, metric, quality)
      SELECT $1::timestamptz - n * INTERVAL '10 s', n, d.key, m, 0 FROM device d, generate_series(1, ${perDay}) AS n, unnest('{1,10}'::int2[]) AS m`, [from])
  }
  await owner.query('ANALYZE')
}

function scans (node: Node): Node[] {
  // a Custom Scan only chooses among the days below it
  const own = node['Node Type'] !== 'Custom Scan' && /sample|_hyper_/.test(node['Relation Name'] ?? '') ? [node] : []
  return [...own, ...(node.Plans ?? []).flatMap(scans)].filter((scan) => scan['Actual Loops'] > 0)
}

for (const edition of ['plain', 'timescaledb-apache'] as const) {
  test(`${edition}: one device and an hour are an index range of the days concerned, and no more [C12]`, needsServices, async (t) => {
    const made = await ward(t, edition)
    await fill(made)
    const { a, logins: { readerA } } = made
    const from = new Date(startMs - 30 * 3_600_000)
    const to = new Date(from.getTime() + 3_600_000)
    for (const condition of [`time >= '${from.toISOString()}' AND time < '${to.toISOString()}'`,
      `time >= now() - INTERVAL '${Math.round((Date.now() - from.getTime()) / 1_000)} s' AND time < now() - INTERVAL '${Math.round((Date.now() - to.getTime()) / 1_000)} s'`]) {
      const { rows } = await readerA.query(`EXPLAIN (ANALYZE, FORMAT JSON) SELECT time, value FROM reading WHERE device = '${a.id}' AND metric = 'heart-rate' AND ${condition}`)
      const [{ Plan: plan }] = rows[0]?.['QUERY PLAN'] as [{ Plan: Node }]
      const read = scans(plan)
      t.equal(plan['Actual Rows'], 360)
      t.ok(read.length >= 1 && read.length <= 2, 'one day, or two where the hour touches midnight')
      for (const scan of read) {
        t.match(scan['Node Type'], /Index|Bitmap/)
        if (scan['Index Cond'] !== undefined) t.match(scan['Index Cond'], /device[^]*time/)
      }
      t.ok(read.filter((scan) => scan['Relation Name'] !== undefined).reduce((sum, scan) => sum + scan['Actual Rows'] * scan['Actual Loops'], 0) <= 720, 'nothing beyond the device’s hour is read')
    }
  })
}

// for docs/tenants.md: PULSEGATE_MEASURE=1 npx tap test/ingest/tenants-plans.test.ts
test('what the predicate costs', { skip: process.env['PULSEGATE_MEASURE'] !== '1' && 'measures; PULSEGATE_MEASURE=1' }, async (t) => {
  const made = await ward(t, 'timescaledb-apache')
  await fill(made)
  const owner = openDatabase(made.url, { poolSize: 1 })
  t.teardown(() => owner.close())
  const from = new Date(startMs - 30 * 3_600_000).toISOString()
  const before = `SELECT s.time, s.value FROM sample s JOIN device d ON d.key = s.device JOIN metric m ON m.id = s.metric
    WHERE d.id = '${made.a.id}' AND m.name = 'heart-rate' AND s.time >= '${from}' AND s.time < '${from}'::timestamptz + INTERVAL `
  const after = `SELECT time, value FROM reading WHERE device = '${made.a.id}' AND metric = 'heart-rate' AND time >= '${from}' AND time < '${from}'::timestamptz + INTERVAL `
  for (const span of ["'1 hour'", "'1 day'"]) {
    const median = async (query: (text: string) => Promise<{ rows: unknown[] }>, text: string): Promise<number> => {
      const times: number[] = []
      for (let i = 0; i < 41; i++) {
        const { rows } = await query(`EXPLAIN (ANALYZE, FORMAT JSON) ${text}${span}`)
        const [plan] = (rows[0] as { 'QUERY PLAN': [{ 'Execution Time': number, 'Planning Time': number }] })['QUERY PLAN']
        times.push(plan['Execution Time'] + plan['Planning Time'])
      }
      return times.sort((x, y) => x - y)[20] ?? NaN
    }
    const base = await median((text) => owner.query(text), before)
    const seen = { owner: await median((text) => owner.query(text), after), tenant: await median(made.logins.readerA.query, after), all: await median(made.logins.readerAll.query, after) }
    t.comment(span, { base, ...seen })
  }
})
