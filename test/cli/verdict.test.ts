import { test } from 'tap'
import { agrees } from '../../cli/proof.ts'
import { resultOf, verdictLines } from '../../cli/verdict.ts'
import { type Comparison } from '../../simulator/ledger-compare.ts'

const good: Comparison = {
  agrees: true,
  acknowledged: 100,
  stored: 101,
  quarantined: 0,
  missing: 0,
  duplicates: 0,
  different: 0,
  unacknowledged: 1,
  unexpected: 0,
  samples: 250,
  waves: 40,
  examples: []
}
const balanced = { rowsMissing: 0, rowsBeyond: 0, rowsErased: 0 }
const about = { latency: { p50Ms: 2, p99Ms: 9 }, database: 'embedded' }

test('ledger and database agree', async (t) => {
  const input = { comparison: good, balance: balanced, ...about }
  t.ok(agrees(input))
  t.same(resultOf(input), {
    acknowledged: 100, stored: 101, missing: 0, duplicates: 0, quarantined: 0, erased: 0, samples: 250, waves: 40, p50Ms: 2, p99Ms: 9, database: 'embedded'
  })
  t.match(verdictLines(input).join('\n'), /agree: 100 messages acknowledged, every one stored exactly once/)
  t.match(verdictLines(input).join('\n'), /PUBACK did not get through yet: 1/)
})

test('what was erased meanwhile is told, and is no disagreement', async (t) => {
  const input = { comparison: good, balance: { ...balanced, rowsErased: 129 }, ...about }
  t.ok(agrees(input))
  t.equal(resultOf(input).erased, 129)
  t.equal(resultOf(input).missing, 0)
  t.match(verdictLines(input).join('\n'), /rows that were stored and erased since: 129/)
})

test('a missing message, a doubled row and a lost row are each a disagreement', async (t) => {
  const missing = { ...good, agrees: false, missing: 2, examples: [{ wrong: 'missing' as const, device: 'd', boot: 1n, seq: 7 }] }
  const cases = [
    { comparison: missing, balance: balanced, ...about },
    { comparison: good, balance: { rowsMissing: 0, rowsBeyond: 3, rowsErased: 0 }, ...about },
    { comparison: good, balance: { rowsMissing: 1, rowsBeyond: 0, rowsErased: 0 }, ...about },
    { comparison: good, balance: { rowsMissing: 2, rowsBeyond: 2, rowsErased: 0 }, ...about }
  ]
  for (const input of cases) {
    t.notOk(agrees(input))
    t.match(verdictLines(input)[0], /DISAGREE/)
  }
  t.match(cases.map(resultOf), [{ missing: 2, duplicates: 0 }, { missing: 0, duplicates: 3 }, { missing: 1, duplicates: 0 }, { missing: 2, duplicates: 2 }])
  t.match(verdictLines({ comparison: missing, balance: balanced, ...about }).join('\n'), /missing: device d boot 1 seq 7/)
})
