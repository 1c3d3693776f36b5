import { test } from 'tap'
import { commonChecks } from '../../proof/check.ts'
import { createProgress } from '../../proof/progress.ts'
import { type RunReport, summaryLine, tableLines, toJson } from '../../proof/report.ts'
import { failedReport, figuresOf, judgedReport, type ScenarioReport, skippedReport } from '../../proof/result.ts'
import { comparison, goodFacts } from './facts.ts'

const green = { name: 'kill-worker', proves: 'A sentence.', expect: 'green' } as const
const control = { name: 'control-xtrim-maxlen', proves: 'Another.', expect: 'red', red: ['lost'] } as const
const lossy = goodFacts({
  comparison: comparison({ missing: 3, examples: [{ wrong: 'missing', device: 'd', boot: 2n ** 60n, seq: 4 }] }), receipts: 997, counters: null
})

function judged (about: typeof green | typeof control, facts = goodFacts()): ScenarioReport {
  return judgedReport(about, facts, commonChecks(facts), 12_345)
}

test('the table fits 100 columns and says what came out', async (t) => {
  const lines = tableLines([
    judged(green),
    judged(control, lossy),
    judged(control),
    { ...judged(green, lossy), directory: '/tmp/kept' },
    skippedReport(green, 'not root'),
    failedReport(green, new Error('it did not start\nbecause'), 1)
  ])
  t.strictSame(lines, [
    'scenario                        outcome           acked   lost doubled recov. quar.    rest  MB b/w',
    'kill-worker                     green             1,000      0       0      9     0   1.5 s 105/114',
    'control-xtrim-maxlen            red, as due       1,000      3       0      9     0   1.5 s 105/114',
    '    noticed by lost: 3 (must be 0)',
    'control-xtrim-maxlen            NOT RED           1,000      0       0      9     0   1.5 s 105/114',
    '    nobody noticed: lost had to be red',
    'kill-worker                     RED               1,000      3       0      9     0   1.5 s 105/114',
    '    does not hold: lost',
    '    lost: 3 (must be 0)',
    '    missing: device d boot 1152921504606846976 seq 4',
    '    kept in /tmp/kept',
    'kill-worker                     skipped',
    '    not root',
    'kill-worker                     NOT RUN',
    '    it did not start',
    '    because'
  ].map((line) => line.trimEnd()))
  t.ok(lines.every((line) => line.length <= 100))
})

test('the figures of what never ran are none', async (t) => {
  t.equal(figuresOf(skippedReport(green, 'no')), null)
  t.match(figuresOf(judged(green)), { acknowledged: 1_000, lost: 0, doubled: 0, recovered: 9, restMs: 1_500 })
})

function run (...scenarios: ScenarioReport[]): RunReport {
  return { seed: 42, date: '2026-01-02T03:04:05.000Z', commit: null, versions: {}, settings: {}, tookMs: 83_000, passed: scenarios.every(({ passed }) => passed), scenarios }
}

test('the last line counts, and names the seed', async (t) => {
  t.equal(summaryLine(run(judged(green), judged(control, lossy), skippedReport(green, 'no'))),
    'Proven: 1 green, 1 negative controls red, 1 skipped, 0 not as they must be. Seed 42, 1 min 23 s.')
  t.equal(summaryLine(run(judged(green, lossy), judged(control))),
    'NOT PROVEN: 0 green, 0 negative controls red, 0 skipped, 2 not as they must be. Seed 42, 1 min 23 s.')
})

test('the JSON document holds every check and every fact', async (t) => {
  const parsed = JSON.parse(toJson(run(judged(control, lossy)))) as RunReport
  t.match(parsed.scenarios[0], { name: 'control-xtrim-maxlen', outcome: 'red', passed: true })
  t.match(parsed.scenarios[0]?.checks.find(({ name }) => name === 'lost'), { ok: false, value: '3', bound: '0' })
  t.equal(String(parsed.scenarios[0]?.facts?.comparison.examples[0]?.boot), '1152921504606846976')
})

test('progress: a line written anew on a terminal, plain lines elsewhere', async (t) => {
  for (const isTTY of [true, false]) {
    let text = ''
    const progress = createProgress({ isTTY, write: (more: string) => { text += more } })
    progress.begin()
    progress.phase('kill-worker', '1/2', 'starting')
    progress.done(judged(green))
    t.equal(text.includes('1/2 kill-worker: starting'), isTTY)
    t.equal(text.includes('\u001B'), isTTY)
    t.equal(text.endsWith('105/114\n'), true)
  }
})
