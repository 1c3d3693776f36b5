import { test } from 'tap'
import { bytes, clock, count, millis } from '../../cli/view/format.ts'
import { liveLines } from '../../cli/view/live.ts'
import { plainLine } from '../../cli/view/plain.ts'
import { plot, thin } from '../../cli/view/plot.ts'
import { type Snapshot } from '../../cli/view/snapshot.ts'

const now: Snapshot = {
  elapsedMs: 3_723_000,
  database: 'embedded',
  databaseBytes: 9_330_000,
  connected: 8,
  devices: 9,
  acknowledged: 12_345,
  messagesPerS: 11.2,
  rowsPerS: 35,
  p50Ms: 2.94,
  p99Ms: 123.4,
  messagesPerBatch: 1.25,
  quarantined: 3,
  notReady: [],
  trace: { title: 'ECG', unit: 'uV', values: Array.from({ length: 500 }, (_, index) => index % 100 === 50 ? 1_000 : 10) }
}

test('numbers as a person reads them', async (t) => {
  t.same([0, 999, 1_000, 1_234_567].map(count), ['0', '999', '1 000', '1 234 567'])
  t.same([0, 512, 1_536, 9_330_000].map(bytes), ['0 B', '512 B', '1.5 KiB', '8.9 MiB'])
  t.same([0.4242, 7.06, 123.4, NaN].map(millis), ['0.42', '7.1', '123', '–'])
  t.same([5_000, 65_000, 3_723_000].map(clock), ['0:05', '1:05', '1:02:03'])
})

test('thinning a signal keeps its peaks', async (t) => {
  const values = Array.from({ length: 1_000 }, (_, index) => index === 333 ? 900 : 0)
  const points = thin(values, 80)
  t.equal(points.length, 80)
  t.equal(Math.max(...points), 900)
  t.same(thin([1, 2], 80), [1, 2])
})

test('the live view fits its terminal and says what is wrong', async (t) => {
  const lines = liveLines({ ...now, notReady: ['database: SQLSTATE 57P01'] }, 80)
  t.ok(lines.every((line) => line.length <= 80))
  const text = lines.join('\n')
  t.match(text, /devices connected {3}8 of 9/)
  t.match(text, /quarantined {9}3/)
  t.match(text, /not ready: database: SQLSTATE 57P01/)
  t.match(text, /ECG \[uV\], read back from the database/)
})

test('without a signal there is no plot', async (t) => {
  t.same(plot(null, 80, 8), [])
  t.same(plot({ title: 'ECG', unit: 'uV', values: [1] }, 80, 8), [])
})

test('the plain line holds the same numbers', async (t) => {
  t.equal(plainLine(now), '1:02:03  8/9 devices  11 messages/s  35 rows/s  PUBACK p50 2.9 ms p99 123 ms  1.3 messages/batch  3 quarantined  database 8.9 MiB')
})
