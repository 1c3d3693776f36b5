// What a fuzzer of one kind of input is: where inputs come from, how one is run, and what may come of it. A target is one file in
// targets/ with a default export; it is found by its file name.
import { type Random } from '../simulator/random.ts'

export interface Target {
  /** Known good and bad inputs to begin with; the corpus adds to them. */
  readonly seeds: () => Promise<readonly Buffer[]>
  /** One new input, by knowledge of the format. What `random` gives decides everything, so a seed gives the same inputs. */
  readonly make: (random: Random, known: readonly Buffer[]) => Buffer
  /** Made once a run. */
  readonly open: () => Promise<Subject>
  /** Longest one input may take before it counts as a hang. */
  readonly hangAfterMs: number
  /** How much memory the process may grow by with one input, and lastingly over a run, bytes. */
  readonly growthBytes: number
}

export interface Subject {
  /** Every outcome that may be; another is a finding. */
  readonly outcomes: ReadonlySet<string>
  /** Runs one input and names its outcome. Whatever it throws is a finding. */
  readonly run: (input: Buffer) => Promise<string> | string
  readonly close: () => Promise<void>
}

/** `low` … `high` - 1 */
export function below (random: Random, low: number, high: number): number {
  return Math.floor(random.between(low, high))
}

export function pick<T> (random: Random, from: readonly T[]): T {
  const picked = from[below(random, 0, from.length)]
  if (picked === undefined) throw new RangeError('nothing to pick from')
  return picked
}

export function chance (random: Random, probability: number): boolean {
  return random.uniform() < probability
}
