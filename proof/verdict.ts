// From checks to a verdict: did the scenario come out as it must? A negative control must be red, and red for its own reason: one
// that is red because nothing came to rest has shown nothing. Pure.
import { type Check } from './check.ts'

export interface Expectation {
  readonly expect: 'green' | 'red'
  /** Of a negative control: the checks of which at least one must be red. */
  readonly red?: readonly string[]
}

export interface Verdict {
  readonly outcome: 'green' | 'red'
  /** As it must be? */
  readonly passed: boolean
  /** Names of the checks that do not hold. */
  readonly redChecks: readonly string[]
  /** Why it did not pass, in a sentence; null when it did. */
  readonly reason: string | null
}

// Without these a red check says nothing about what the control broke.
const preconditions = ['load', 'faults', 'rest']

export function verdictOf ({ expect, red = [] }: Expectation, checks: readonly Check[]): Verdict {
  const redChecks = checks.filter(({ ok }) => !ok).map(({ name }) => name)
  const outcome = redChecks.length === 0 ? 'green' : 'red'
  const reason = expect === 'green' ? greenReason(redChecks) : redReason(redChecks, red)
  return { outcome, passed: reason === null, redChecks, reason }
}

function greenReason (redChecks: readonly string[]): string | null {
  return redChecks.length === 0 ? null : `does not hold: ${redChecks.join(', ')}`
}

function redReason (redChecks: readonly string[], red: readonly string[]): string | null {
  const unmet = redChecks.filter((name) => preconditions.includes(name))
  if (unmet.length > 0) return `the control could not be carried out: ${unmet.join(', ')}`
  if (red.some((name) => redChecks.includes(name))) return null
  return `nobody noticed: ${red.join(' or ')} had to be red`
}
