import { test } from 'tap'
import { median, quantile, ratiosOf, spread, valuesOf, type Run } from '../../bench/statistics.ts'

const runs: Run[] = [
  { round: 0, subject: 'ours', shape: 'a', values: { us: 10, rate: 100 } },
  { round: 0, subject: 'theirs', shape: 'a', values: { us: 40 } },
  { round: 1, subject: 'ours', shape: 'a', values: { us: 20, rate: 90 } },
  { round: 1, subject: 'theirs', shape: 'a', values: { us: 60 } },
  { round: 2, subject: 'ours', shape: 'a', values: { us: 30 } },
  { round: 0, subject: 'ours', shape: 'b', values: { us: 1 } }
]

test('a median stands in the middle, between two if need be, and a quartile spread beside it', async (t) => {
  t.equal(median([5, 1, 3]), 3)
  t.equal(median([4, 1, 3, 2]), 2.5)
  t.equal(quantile([0, 10], 0.25), 2.5)
  t.same(spread([1, 2, 3, 4, 5]), { median: 3, low: 2, high: 4, n: 5 })
})

test('no value gives NaN, and NaN is no value', async (t) => {
  t.ok(Number.isNaN(median([])))
  t.equal(median([NaN, 7]), 7)
})

test('a ratio is taken inside a round, and a round that misses one side gives none', async (t) => {
  t.same(ratiosOf(runs, 'theirs', 'ours', 'a', 'us'), [4, 3])
  t.same(ratiosOf(runs, 'theirs', 'ours', 'b', 'us'), [])
})

test('values are chosen by subject, shape, name and what the caller asks of the run', async (t) => {
  t.same(valuesOf(runs, 'ours', 'a', 'rate'), [100, 90])
  t.same(valuesOf(runs, 'ours', 'a', 'us', (run) => run.round > 0), [20, 30])
})
