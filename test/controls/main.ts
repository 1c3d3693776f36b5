// `npm run controls`: writes docs/security/controls.md from the tags in the tests' titles and tap's last results.
// `npm run controls -- --check`: writes nothing; exits 1, naming each fault, when a control has no passing test or one that failed, when a
// tag names no control, or when the committed page lists other tests than the tree has. `--since <ms since 1970>` lets only
// newer results count.
import { readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { readCommits } from './commits.ts'
import { faultsOf, gatherEvidence } from './evidence.ts'
import { pagePath, renderPage, withoutResults } from './page.ts'

const { values } = parseArgs({
  options: { check: { type: 'boolean' }, since: { type: 'string' }, root: { type: 'string' } }
})
// as compiled, this file is in dist/test/controls
const root = values.root ?? dirname(fileURLToPath(import.meta.resolve('#package')))
const evidence = gatherEvidence(root, Number(values.since ?? 0))
const page = renderPage(evidence, readCommits(root, pagePath))
const faults = faultsOf(evidence)

if (values.check === true) {
  if (withoutResults(committed()) !== withoutResults(page)) {
    faults.push(`${pagePath} does not list what the tree has: run \`npm run controls\` and commit it`)
  }
} else {
  writeFileSync(join(root, pagePath), page)
}
say(faults)
// writing the page is no failure of its own: it says what is missing
process.exitCode = values.check === true && faults.length > 0 ? 1 : 0

function committed (): string {
  try {
    return readFileSync(join(root, pagePath), 'utf8')
  } catch {
    return ''
  }
}

function say (faults: readonly string[]): void {
  const proven = evidence.controls.filter(({ proofs }) => proofs.some(({ outcome }) => outcome === 'passed')).length
  process.stdout.write(`${proven} of ${evidence.controls.length} controls have a passing test${values.check === true ? '' : `; wrote ${pagePath}`}\n`)
  for (const fault of faults) process.stderr.write(`  ${fault}\n`)
}
