// The generator of docs/security/controls.md is itself what a control rests on: shown here on small trees of our making that it finds
// tests however their titles are written, and that a control without a test, with a failing one or with a skipped one fails the check.
import { spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync, utimesSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test, type Test } from 'tap'
import { testFolder } from '../fixtures/folder.ts'
import { controls, type ControlId } from './controls.ts'
import { faultsOf, gatherEvidence } from './evidence.ts'
import { pagePath, renderPage, withoutResults } from './page.ts'
import { requirements } from './requirements.ts'
import { pointsOf, resultsOf } from './results.ts'
import { isTitled, scanSource } from './titles.ts'

const ids = Object.keys(controls) as ControlId[]
/** A tag as it stands in a title, written so that this file carries none. */
const tagged = (id: string) => `[${id}]`
const noCommits = { head: 'abc1234', changed: 0, at: () => 'abc1234' }

/** A tree where each control has one test; `outcome` says how it ended, `null` leaves the test out. */
function plant (t: Test, outcome: (id: ControlId) => string | null): string {
  const root = testFolder(t)
  const kept = ids.filter((id) => outcome(id) !== null)
  write(join(root, 'test', 'all.test.ts'), kept.map((id) => `test('holds ${tagged(id)}', async (t) => {})\n`).join(''))
  write(join(root, '.tap', 'test-results', 'test', 'all.test.ts.tap'), `TAP version 14\n${kept.map((id, i) => outcome(id)?.replace('N', String(i + 1)) + '\n').join('')}1..${kept.length}\n`)
  const later = Date.now() / 1_000 + 5
  utimesSync(join(root, '.tap', 'test-results', 'test', 'all.test.ts.tap'), later, later)
  return root
}

function write (path: string, text: string): void {
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, text)
}

const passed = (id: ControlId) => `ok N - holds ${tagged(id)} # time=3.1ms`
const except = (id: ControlId, line: string | null) => (other: ControlId) => other === id ? line : passed(other)

test('a control without a test, with a failing, a skipped or a missing result is a fault; all passing is none [C18]', async (t) => {
  t.strictSame(faultsOf(gatherEvidence(plant(t, passed))), [], 'all passed')
  const without = faultsOf(gatherEvidence(plant(t, except('C4', null))))
  t.strictSame(without, [`C4: no test carries ${tagged('C4')}`])
  const failing = faultsOf(gatherEvidence(plant(t, except('C4', `not ok N - holds ${tagged('C4')} # time=3.1ms`))))
  t.match(failing, [/^C4: failed in the last run: test\/all.test.ts › holds/])
  const skipped = faultsOf(gatherEvidence(plant(t, except('C4', `ok N - holds ${tagged('C4')} # SKIP needs a database`))))
  t.match(skipped, [/^C4: none of its 1 tests passed in the last run \(skipped\)/])
  const toDo = faultsOf(gatherEvidence(plant(t, except('C4', `not ok N - holds ${tagged('C4')} # TODO`))))
  t.match(toDo, [/^C4: none of its 1 tests passed in the last run \(skipped\)/])
  const notRun = faultsOf(gatherEvidence(plant(t, except('C4', 'ok N - something else'))))
  t.match(notRun, [/^C4: none of its 1 tests passed in the last run \(not run\)/])
})

test('results from before the test file was changed, or from before this run, prove nothing [C18]', async (t) => {
  const root = plant(t, passed)
  t.equal(faultsOf(gatherEvidence(root, Date.now() + 60_000)).length, ids.length, 'an earlier run')
  const later = Date.now() / 1_000 + 60
  utimesSync(join(root, 'test', 'all.test.ts'), later, later)
  t.equal(faultsOf(gatherEvidence(root)).length, ids.length, 'a changed file')
  t.equal(resultsOf(root, 'test/never-run.test.ts'), null)
})

test('a number that is no control, in the middle of a title, or in a string that is no title is a fault [C18]', async (t) => {
  const root = plant(t, passed)
  write(join(root, 'test', 'odd.test.ts'), `test('a ${tagged('C23')}', f)\ntest('b ${tagged('C1')} c', f)\nconst name = 'd ${tagged('C1')}'\ntest(name, f)\n`)
  t.match(faultsOf(gatherEvidence(root)), [/odd.test.ts:2: a control's number stands in a title, but not at its end/, /odd.test.ts:3: .* not the title/, /odd.test.ts:1: \[C23\] names no control/])
})

test('titles are found in strings, concatenations, templates and subtests, and matched with what ran', async (t) => {
  const source = [
    `test('plain ${tagged('C1')}', f)`, `t.test("double ${tagged('C2')} ${tagged('C3')}", f)`, `await t.test(\`\${edition}: of \${kind} (a+b) ${tagged('C4')}\`, o, f)`,
    `test('joined ' +\n  'over lines ${tagged('C5')}', f)`, 'if (/x/.test(\'no title\')) {}', `test(\`it's # odd ${tagged('C6')}\`, f)`
  ].join('\n')
  const { titles, strays } = scanSource('x.test.ts', source)
  t.strictSame(strays, [])
  t.strictSame(titles.map(({ tags }) => tags.join()), ['C1', 'C2,C3', 'C4', 'C5', 'C6'])
  const [, , template, joined] = titles
  t.ok(template && isTitled(template, `plain: of sensor (a+b) ${tagged('C4')}`))
  t.notOk(template && isTitled(template, `plain: of sensor aab ${tagged('C4')}`))
  t.ok(joined && isTitled(joined, `joined over lines ${tagged('C5')}`))
})

test('TAP is read as tap writes it: subtests, directives, escapes, and no points out of diagnostics', async (t) => {
  const tap = [
    'TAP version 14', `# Subtest: a \\# b ${tagged('C1')}`, '    ok 1 - inner', '    not ok 2 - wrong', '      ---', '      found: |', '        ok 7 - a lie', '      ...', '    1..2',
    `not ok 1 - a \\# b ${tagged('C1')} # time=10.5ms`, '  ---', '  ok 8 - another', '  ...', 'ok 2 - c # SKIP because', 'ok 3 - buffered # time=1ms {', '    ok 1 - x', '}', '1..3'
  ].join('\n')
  t.strictSame(pointsOf(tap), [
    { title: 'inner', outcome: 'passed' }, { title: 'wrong', outcome: 'failed' }, { title: `a # b ${tagged('C1')}`, outcome: 'failed' }, { title: 'c', outcome: 'skipped' },
    { title: 'buffered', outcome: 'passed' }, { title: 'x', outcome: 'passed' }
  ])
})

test('the check exits 1 when the committed page lists other tests, and 0 when only results and dates differ [C18]', async (t) => {
  const root = plant(t, passed)
  const main = new URL('./dist/test/controls/main.js', import.meta.resolve('#package'))
  const run = (...words: string[]) => spawnSync(process.execPath, [main.pathname, '--root', root, ...words], { encoding: 'utf8' })
  t.match(run('--check'), { status: 1, stderr: /does not list what the tree has/ })
  mkdirSync(join(root, 'docs', 'security'), { recursive: true })
  t.match(run(), { status: 0, stdout: /22 of 22 .*wrote/ })
  t.match(run('--check'), { status: 0, stderr: '' })
  const later = Date.now() / 1_000 + 86_400
  utimesSync(join(root, '.tap', 'test-results', 'test', 'all.test.ts.tap'), later, later)
  t.equal(run('--check').status, 0, 'other dates')
  const source = join(root, 'test', 'all.test.ts')
  write(source, readFileSync(source, 'utf8').replace('holds', 'keeps'))
  t.match(run('--check'), { status: 1, stderr: /does not list/ })
  write(join(root, '.tap', 'test-results', 'test', 'all.test.ts.tap'), 'TAP version 14\n1..0\n')
  t.match(run('--check'), { status: 1, stderr: /C22: none of its 1 tests passed/ })
})

test('the page tells each statement, requirement, test and result', async (t) => {
  const page = renderPage(gatherEvidence(plant(t, except('C4', null))), noCommits)
  for (const { statement } of Object.values(controls)) t.ok(page.includes(statement))
  t.match(page, /\| `test\/all.test.ts` › holds \| ✓ passed, \d{4}-\d\d-\d\d \d\d:\d\d, abc1234 \|/)
  t.match(page, /No test carries this number/)
  t.notMatch(withoutResults(page), /passed, |abc1234/)
  const used = new Set<string>(Object.values(controls).flatMap(({ serves }) => serves))
  t.strictSame(Object.keys(requirements).filter((key) => !used.has(key)), [], 'no requirement is listed that nothing serves')
  t.strictSame(ids, Array.from({ length: 22 }, (_, i) => `C${i + 1}`))
  t.equal(pagePath, 'docs/security/controls.md')
})
