// The threat model keeps its word: every element is treated for all six letters, every mitigation names a test that exists, and
// what is accepted or not applicable says why.
import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { test } from 'tap'
import { isControlId } from './controls.ts'
import { letters, readThreatModel, treatments, type Row } from './threat-model.ts'
import { scanTree, type TestTitle } from './titles.ts'

const root = dirname(fileURLToPath(import.meta.resolve('#package')))
const elements = ['Device', 'Gateway', 'TLS listener and front', 'Aedes control plane', 'EST endpoint', 'Certificate authority folder', 'Direct queue', 'Redis streams', 'Ingest worker',
  'PostgreSQL', 'Quarantine', 'Audit trail', 'Exports', 'CLI and operator', 'Health endpoint', 'Simulator', 'Supply chain']

/** Everything wrong with a model, a line each. */
function faultsOf (rows: readonly Row[], titles: readonly TestTitle[]): string[] {
  // the number of a control at the end of a title is no part of its name
  const named = new Set(titles.map(({ file, title }) => `${file} › ${title.replace(/(\s*\[C\d+\])+$/, '')}`))
  return [
    ...elements.flatMap((element) => letters.filter((letter) => !rows.some((row) => row.element === element && row.letter === letter)).map((letter) => `${element}: ${letter} is not treated`)),
    ...rows.filter(({ element }) => !elements.includes(element)).map(({ element }) => `${element}: no element of ours`),
    ...rows.flatMap((row) => rowFaults(row, named).map((fault) => `${row.element} ${row.letter}: ${fault}`))
  ]
}

function rowFaults ({ treatment, how, tests, controls, unread }: Row, named: ReadonlySet<string>): string[] {
  return [
    ...(treatments as readonly string[]).includes(treatment) ? [] : [`treated as "${treatment}"`],
    ...how.length < 10 ? ['says neither how nor why'] : [],
    ...treatment === 'mitigated' && tests.length + controls.length === 0 ? ['names no test'] : [],
    ...unread.map((part) => `cannot be read: ${part}`),
    ...controls.filter((id) => !isControlId(id)).map((id) => `${id} is no control`),
    ...tests.filter(({ file, title }) => !named.has(`${file} › ${title}`)).map(({ file, title }) => `no such test: ${file} › ${title}`)
  ]
}

const page = readFileSync(join(root, 'docs', 'security', 'threat-model.md'), 'utf8')

test('every element is treated for all six letters, and every test that a mitigation names exists [C18]', async (t) => {
  const rows = readThreatModel(page)
  t.strictSame(faultsOf(rows, scanTree(root).titles), [])
  t.ok(rows.length >= elements.length * letters.length)
})

test('a row left out, a test renamed, a mitigation without a test and a reason left out are found [C18]', async (t) => {
  const { titles } = scanTree(root)
  const faults = (change: (page: string) => string) => faultsOf(readThreatModel(change(page)), titles)
  t.strictSame(faults((text) => text.replace(/\| D \| The outbox.*\n/, '')), ['Simulator: D is not treated'])
  t.match(faults((text) => text.replace('the outbox is bounded in', 'the outbox was bounded in')), [/^Simulator D: no such test/])
  t.match(faults((text) => text.replace(/(\| S \| No, foreign.* \|) [^|]* \|\n/, '$1 |\n')).length, 1)
  t.match(faults((text) => text.replace('it only reads', '')), ['Health endpoint T: says neither how nor why'])
  t.match(faults((text) => text.replace(/\[C20\] \|/, (found) => found.replace('20', '99'))), [/C99 is no control/])
  t.match(faults((text) => text.replace('### Simulator', '### Emulator')).length, 12, 'six letters missing, six rows of no element')
})
