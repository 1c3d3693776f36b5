// The generated page docs/security/controls.md: from evidence to Markdown, and back as far as the check needs it (which tests a
// committed page lists). Results and dates are for the reader and may be of an earlier run; the list of tests must be the tree's.
import { type Commits } from './commits.ts'
import { controls, type ControlId } from './controls.ts'
import { type ControlEvidence, type Evidence, type Proof } from './evidence.ts'
import { requirements, textOf, texts, type Requirement } from './requirements.ts'

export const pagePath = 'docs/security/controls.md'

const marks = { passed: '✓ passed', failed: '✗ failed', skipped: '– skipped', none: '– not run' } as const

export function renderPage (evidence: Evidence, commits: Commits): string {
  const proven = evidence.controls.filter(({ proofs }) => proofs.some(({ outcome }) => outcome === 'passed')).length
  const head = commits.head === null ? 'outside of git' : `commit ${commits.head}${commits.changed > 0 ? ` with ${commits.changed} files changed` : ''}`
  return `<!-- Written by \`npm run controls\` from test/controls/controls.ts and the last results; do not edit. -->
# Controls

Each control is a statement, the requirements it serves, and the tests that would fail if it were untrue. A test is found by the
control's number at the end of its title; a skipped test has not passed. \`npm test\` ends with a check of this page
([README.md](README.md) says how).

Made at ${head}: ${proven} of ${evidence.controls.length} controls have a passing test.

| control | serves | tests | passed |
| --- | --- | --- | --- |
${evidence.controls.map(summaryRow).join('\n')}

${evidence.controls.map(({ id, proofs }) => section(id, proofs, commits)).join('\n')}
## Requirements

${Object.entries(texts).map(([key, name]) => `**${name}**\n\n${requirementLines(key)}\n`).join('\n')}`
}

function summaryRow ({ id, proofs }: ControlEvidence): string {
  const passed = proofs.filter(({ outcome }) => outcome === 'passed').length
  return `| [${id}](#${id.toLowerCase()}) | ${controls[id].serves.join(', ')} | ${proofs.length} | ${passed} |`
}

function section (id: ControlId, proofs: readonly Proof[], commits: Commits): string {
  const rows = proofs.map((proof) => `| \`${proof.test.file}\` › ${cell(titleOf(proof))} | ${resultOf(proof, commits)} |`)
  return `## ${id}

${controls[id].statement}

${controls[id].serves.map((key) => `${key}: ${requirements[key]}`).join(' · ')}

${rows.length === 0 ? '**No test carries this number.**' : `| test | last result |\n| --- | --- |\n${rows.join('\n')}`}
`
}

const titleOf = ({ test }: Proof) => test.title.replace(/(\s*\[C\d+\])+\s*$/, '')
const cell = (text: string) => text.replaceAll('|', '\\|').replaceAll('<', '&lt;')

function resultOf ({ outcome, atMs }: Proof, commits: Commits): string {
  if (atMs === null) return marks[outcome]
  const hash = commits.at(atMs)
  return `${marks[outcome]}, ${new Date(atMs).toISOString().slice(0, 16).replace('T', ' ')}${hash === null ? '' : `, ${hash}`}`
}

function requirementLines (text: string): string {
  const keys = (Object.keys(requirements) as Requirement[]).filter((key) => textOf(key) === text)
  return keys.map((key) => {
    const serving = (Object.keys(controls) as ControlId[]).filter((id) => (controls[id].serves as readonly string[]).includes(key))
    return `- ${key.slice(text.length + 1)}: ${requirements[key]} — ${serving.map((id) => `[${id}](#${id.toLowerCase()})`).join(', ')}`
  }).join('\n')
}

/** What a page says beyond its results: the line with commit and counts, and the last cell of each row, are taken out. */
export function withoutResults (page: string): string {
  return page.split('\n').filter((line) => !line.startsWith('Made at ')).map((line) => line.replace(/^(\| .*\|)[^|]*\|$/, '$1 … |')).join('\n')
}
