// What tap wrote down of the last run of each test file: .tap/test-results/<file>.tap, TAP 14. Takes the folder, gives for a test file
// every finished point with its outcome. A point that was skipped or is still to do has not passed.
import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'

export type Outcome = 'passed' | 'failed' | 'skipped'

export interface Point {
  readonly title: string
  readonly outcome: Outcome
}

export interface FileResults {
  readonly points: readonly Point[]
  /** When the run of the file ended, ms since 1970. */
  readonly atMs: number
}

const line = /^\s*(not )?ok\b(?: \d+)?(?: - )?(.*?)(?: \{)?$/
const directive = /(?<!\\)\s#\s*(skip|todo)\b.*$/i
const timing = /(?<!\\)\s#\s*time=[\d.]+m?s\s*$/

/** The points of a TAP text, subtests' and assertions' alike, in their order. */
export function pointsOf (tap: string): Point[] {
  const points: Point[] = []
  for (const text of withoutDiagnostics(tap)) {
    const found = line.exec(text)
    if (found === null) continue
    const [, failed, rest = ''] = found
    const untimed = rest.replace(timing, '')
    // a point that is still to do is written as "not ok … # TODO" and does not fail the run; it has not passed either
    const outcome = directive.test(untimed) ? 'skipped' : failed === undefined ? 'passed' : 'failed'
    points.push({ title: unescape(untimed.replace(directive, '')).trim(), outcome })
  }
  return points
}

/** Without the YAML blocks, which may hold any text. */
function * withoutDiagnostics (tap: string): Generator<string> {
  let inside: string | null = null
  for (const text of tap.split('\n')) {
    const fence = /^(\s+)(---|\.\.\.)\s*$/.exec(text)
    if (inside === null && fence?.[2] === '---') inside = fence[1] ?? ''
    else if (inside !== null && fence?.[2] === '...' && fence[1] === inside) inside = null
    else if (inside === null) yield text
  }
}

function unescape (text: string): string {
  return text.replace(/\\([#\\])/g, '$1')
}

/** The stored results of a test file; null when there are none, or when the file was changed after they were made. */
export function resultsOf (root: string, file: string, sinceMs = 0): FileResults | null {
  const path = join(root, '.tap', 'test-results', `${file}.tap`)
  try {
    const atMs = statSync(path).mtimeMs
    if (atMs < sinceMs || atMs < statSync(join(root, file)).mtimeMs) return null
    return { points: pointsOf(readFileSync(path, 'utf8')), atMs }
  } catch {
    return null
  }
}

/** Of several runs of one title (a template's holes): the worst. */
export function worst (outcomes: readonly Outcome[]): Outcome | null {
  return (['failed', 'skipped', 'passed'] as const).find((outcome) => outcomes.includes(outcome)) ?? null
}
