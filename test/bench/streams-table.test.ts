import { test } from 'tap'
import { pathDevices, pathLoads } from '../../bench/path-loads.ts'
import { type Run } from '../../bench/statistics.ts'
import { oneProcess, overRedis, streamsTable } from '../../bench/streams-table.ts'

const shape = '1,000 x 1, 10 samples'
const common = { behindSeconds: 0.5, core: 0.9, batch: 200, p50Ms: 10, p99Ms: 20 }
const runs: Run[] = [0, 1].flatMap((round) => [
  { round, subject: oneProcess, shape, values: { ...common, acknowledgedRate: 1_000, storedRate: 1_000, us: 100, processUs: 60, databaseUs: 40 } },
  { round, subject: overRedis, shape, values: { ...common, acknowledgedRate: 800, storedRate: 500, us: 250, brokerUs: 80, redisUs: 50, workerUs: 75, databaseUs: 45 } }
])

function cells (measured: readonly Run[], subject: string): Record<string, string> {
  const { columns, rows } = streamsTable(measured)
  const row = rows.find(([name]) => name === `${shape}: ${subject}`) ?? []
  return Object.fromEntries(columns.map((column, i) => [column, row[i] ?? 'missing']))
}

test('the loads are both shapes with both sizes, and there are devices for the widest', async (t) => {
  t.same(pathLoads.map(({ name }) => name), ['50 x 16, 1 sample', '50 x 16, 10 samples', '1,000 x 1, 1 sample', '1,000 x 1, 10 samples'])
  t.equal(pathDevices, 1_000)
})

test('over Redis both rates stand beside each other, the CPU by process, and how often that is what one process has', async (t) => {
  t.match(cells(runs, overRedis), {
    'acknowledged/s': '800 (800-800)',
    'stored/s': '500 (500-500)',
    'behind s': '0.5',
    'process µs': '',
    'broker µs': '80',
    'redis µs': '50',
    'worker µs': '75',
    'database µs': '45',
    'CPU µs/message': '250 (250-250)',
    'times the CPU': '2.5',
    'times acknowledged/s': '0.8',
    'times stored/s': '0.5'
  })
})

test('one process has neither Redis nor a worker of its own, and is not compared with itself', async (t) => {
  t.match(cells(runs, oneProcess), { 'process µs': '60', 'broker µs': '', 'redis µs': '', 'worker µs': '', 'database µs': '40', 'times the CPU': '', 'times stored/s': '' })
})

test('a load or subject without runs has no row, and a comparison without its other side no number', async (t) => {
  const alone = runs.filter(({ subject }) => subject === overRedis)
  t.equal(streamsTable(alone).rows.length, 1)
  t.match(cells(alone, overRedis), { 'acknowledged/s': '800 (800-800)', 'times the CPU': '-' })
  t.same(streamsTable([]).rows, [])
})
