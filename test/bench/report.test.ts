import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'tap'
import { tableText, targetText, shown, type Outcome } from '../../bench/outcome.ts'
import { projectDirectory } from '../../bench/places.ts'
import { markdown, savedOutcomes } from '../../bench/report.ts'

const outcome: Outcome = {
  command: 'accept',
  rounds: 3,
  seconds: 2,
  date: '2026-01-02',
  commit: 'abc1234',
  machine: 'a machine',
  runs: [],
  failures: ['round 2/3, ours, 1 x 1: broke'],
  tables: [{ title: 'Taking', note: 'What it means.', columns: ['system', 'messages/s'], rows: [['ours', '1,234'], ['theirs', '5']] }],
  targets: [{ what: 'ours against theirs', wanted: 2, got: 1.5 }]
}

test('a report names command, machine, commit, what was promised and missed, and what failed', async (t) => {
  const text = markdown([outcome])
  t.match(text, '`npm run bench -- accept --rounds 3 --seconds 2 --save`, 2026-01-02, commit abc1234, on a machine. 1 runs failed')
  t.match(text, '| ours against theirs | 2 | 1.50 | no |')
  t.match(text, '| system | messages/s |\n| --- | ---: |\n| ours | 1,234 |\n| theirs | 5 |')
  t.notMatch(text, /\n{3}/)
})

test('a table on a terminal stands in columns, and a missed promise is not to be overlooked', async (t) => {
  const [table] = outcome.tables
  const [target] = outcome.targets
  t.match(tableText(table!), 'system  messages/s\nours         1,234\ntheirs           5')
  t.match(targetText(target!), /^MISSED/)
})

test('numbers are shown with three digits that count', async (t) => {
  t.strictSame([0.012345, 9.876, 123.4, 98_765.4, NaN].map(shown), ['0.0123', '9.88', '123', '98,765', '-'])
})

test('docs/benchmarks.md is what the kept results say', async (t) => {
  t.equal(readFileSync(join(projectDirectory, 'docs', 'benchmarks.md'), 'utf8'), markdown(savedOutcomes()))
})
