// Puts together what the tree says and what the last run said: for each control the tests that carry its number and how each ended.
// And judges it: `faults` are what makes the check fail.
import { controls, isControlId, type ControlId } from './controls.ts'
import { resultsOf, worst, type FileResults, type Outcome } from './results.ts'
import { isTitled, scanTree, type TestTitle } from './titles.ts'

export interface Proof {
  readonly test: TestTitle
  /** `none`: not run since the file was changed, or since the time asked for. */
  readonly outcome: Outcome | 'none'
  readonly atMs: number | null
}

export interface ControlEvidence {
  readonly id: ControlId
  readonly proofs: readonly Proof[]
}

export interface Evidence {
  readonly controls: readonly ControlEvidence[]
  /** Tags in wrong places, and tags that are no control. */
  readonly misplaced: readonly string[]
}

/** `sinceMs`: results of an earlier run do not count. */
export function gatherEvidence (root: string, sinceMs = 0): Evidence {
  const { titles, strays } = scanTree(root)
  const stored = new Map<string, FileResults | null>()
  const proofOf = (test: TestTitle): Proof => {
    const results = stored.get(test.file) ?? resultsOf(root, test.file, sinceMs)
    stored.set(test.file, results)
    const outcome = worst(results?.points.filter(({ title }) => isTitled(test, title)).map(({ outcome }) => outcome) ?? [])
    return { test, outcome: outcome ?? 'none', atMs: outcome === null ? null : results?.atMs ?? null }
  }
  const unknown = titles.flatMap(({ file, line, tags }) =>
    tags.filter((id) => !isControlId(id)).map((id) => `${file}:${line}: [${id}] names no control`))
  return {
    controls: (Object.keys(controls) as ControlId[]).map((id) => ({ id, proofs: titles.filter(({ tags }) => tags.includes(id)).map(proofOf) })),
    misplaced: [...strays, ...unknown]
  }
}

/** Everything for which the check fails, one line each; empty when each control has a passing test and none that failed. */
export function faultsOf ({ controls: all, misplaced }: Evidence): string[] {
  return [...misplaced, ...all.flatMap(controlFaults)]
}

function controlFaults ({ id, proofs }: ControlEvidence): string[] {
  if (proofs.length === 0) return [`${id}: no test carries [${id}]`]
  const failed = proofs.filter(({ outcome }) => outcome === 'failed').map(({ test }) => `${id}: failed in the last run: ${test.file} › ${test.title}`)
  if (failed.length > 0 || proofs.some(({ outcome }) => outcome === 'passed')) return failed
  return [`${id}: none of its ${proofs.length} tests passed in the last run (${proofs.map(({ outcome }) => outcome === 'none' ? 'not run' : outcome).join(', ')})`]
}
