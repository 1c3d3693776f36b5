// The fuzzers, a little of each at every test run: the whole kept corpus, and some thousand new inputs from a fixed seed. And the
// fuzzer's own negative control: a target with planted faults, each of which it must find and leave as a file that finds it again.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { spawnSync } from 'node:child_process'
import { test } from 'tap'
import { mutate } from '../../fuzz/mutate.ts'
import { readCorpus } from '../../fuzz/corpus.ts'
import { runTarget } from '../../fuzz/run.ts'
import { targetNames } from '../../fuzz/targets.ts'
import { Random } from '../../simulator/random.ts'
import { testFolder } from '../fixtures/folder.ts'

/** New inputs a run, besides the corpus; about as many as take a few seconds. A target without a line here gets `other`. */
const iterations: Readonly<Record<string, number>> = { cbor: 10_000, csr: 1_500, est: 60, frames: 8_000, mqtt: 80 }
const other = 200

for (const target of targetNames()) {
  test(`${target}: the kept corpus and new inputs end as they may: no crash, no hang, no growth [C7] [C19]`, { timeout: 180_000 }, async (t) => {
    const kept = readCorpus(target).length
    const { runs, outcomes, finding } = await runTarget({ target, seed: 20_260_101, iterations: iterations[target] ?? other })
    t.equal(finding, null)
    t.ok(kept > 0, 'a corpus is kept')
    t.ok(runs >= kept + (iterations[target] ?? other), `${runs} inputs`)
    t.ok(Object.keys(outcomes).length >= 2, `reaches ${Object.keys(outcomes).join(', ')}`)
  })
}

test('what inputs a seed gives is always the same', async (t) => {
  const known = [Buffer.from('one input'), Buffer.from([0xa4, 0, 1, 2, 0, 3, 0, 5, 0])]
  const drawn = (seed: number) => {
    const random = new Random('fuzz', 'x', seed)
    return Array.from({ length: 200 }, () => mutate(random, known[1] ?? Buffer.alloc(0), known).toString('hex'))
  }
  t.strictSame(drawn(1), drawn(1))
  t.notSame(drawn(1), drawn(2))
  t.ok(new Set(drawn(1)).size > 150)
})

test('a crash, a hang, a growth, an unregistered outcome and a death are found, kept, and found again from the file [C19]', { timeout: 120_000 }, async (t) => {
  const target = new URL('./dist/test/fuzz/planted.js', import.meta.resolve('#package')).href
  const faults = { c: /planted crash/, h: /more than 1500 ms/, m: /one input took \d{9} bytes/, o: /not registered: odd/, e: /thread/ }
  for (const [byte, fault] of Object.entries(faults)) {
    const corpusRoot = join(testFolder(t), byte)
    mkdirSync(join(corpusRoot, 'planted'), { recursive: true })
    writeFileSync(join(corpusRoot, 'planted', 'input'), `${byte} planted`)
    const { finding } = await runTarget({ target, seed: 1, iterations: 10, corpusRoot })
    t.match(finding?.fault, fault)
    t.equal(finding === null ? '' : readFileSync(finding.file, 'utf8'), `${byte} planted`, 'the input is kept')
    const again = await runTarget({ target, seed: 2, iterations: 0, corpusRoot })
    t.match(again.finding?.fault, fault, 'a regression from now on')
  }
  t.equal((await runTarget({ target, seed: 1, iterations: 10, corpusRoot: join(testFolder(t), 'empty') })).finding, null, 'and nothing where nothing is planted')
})

test('the command: exit 0 when nothing is found, 2 for wrong words', async (t) => {
  const main = new URL('./dist/fuzz/main.js', import.meta.resolve('#package')).pathname
  const run = (...words: string[]) => spawnSync(process.execPath, [main, ...words], { encoding: 'utf8' })
  const fine = run('--target', 'cbor', '--iterations', '100', '--json')
  t.equal(fine.status, 0, fine.stderr)
  t.match(JSON.parse(fine.stdout), { target: 'cbor', seed: 1, finding: null })
  t.match(run('--target', 'nothing'), { status: 2, stderr: /no target nothing[^]*Examples/ })
  t.match(run('--seed', 'x'), { status: 2, stderr: /--seed takes a whole number/ })
})
