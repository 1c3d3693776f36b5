import { test } from 'tap'
import { type BootCompleteness } from '../../ingest/completeness.ts'
import { bootKey, lossesOf } from '../../proof/gaps.ts'
import { Ranges } from '../../simulator/ranges.ts'

const device = '00000000-0000-8000-8000-000000000001'
const boot = 5n

function ranges (...values: number[]): Ranges {
  const set = new Ranges()
  for (const value of values) set.add(value)
  return set
}

function gaps (...missing: Array<[number, number]>): Map<string, BootCompleteness[]> {
  const row = { boot, firstSeq: 0, lastSeq: 9, received: 5, missingCount: 5, missing: missing.map(([first, last]) => ({ first, last })), quarantined: 0 }
  return new Map([[device, [row]]])
}

const held = [{ device, boot, acknowledged: ranges(0, 1, 2, 3, 4, 5, 9) }]

test('nothing lost', async (t) => {
  t.strictSame(lossesOf(held, new Map([[bootKey(device, boot), ranges(0, 1, 2, 3, 4, 5, 9)]]), gaps([6, 8])), { lost: 0, reported: 0, unreported: [] })
})

test('what is lost inside a gap is reported, the rest is named', async (t) => {
  const stored = new Map([[bootKey(device, boot), ranges(0, 1, 9)]])
  t.strictSame(lossesOf(held, stored, gaps([2, 8])), { lost: 4, reported: 4, unreported: [] })
  t.strictSame(lossesOf(held, stored, gaps([2, 3], [5, 8])), { lost: 4, reported: 3, unreported: [{ device, boot, seq: 4 }] })
  t.strictSame(lossesOf(held, stored, gaps()).unreported.map(({ seq }) => seq), [2, 3, 4, 5])
})

test('a boot of which the database knows nothing is lost and not reported', async (t) => {
  t.match(lossesOf(held, new Map(), new Map()), { lost: 7, reported: 0 })
  t.match(lossesOf([{ device, boot: 6n, acknowledged: ranges(3) }], new Map(), gaps([0, 9])), { lost: 1, reported: 0 }, 'gaps of another boot do not count')
})
