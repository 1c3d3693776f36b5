// Runs all cases round by round, each once a round, starting with another one each time, so that drift and neighbours
// touch all alike. A case that fails is reported and left out of that round; the others go on.
import { type Run } from './statistics.ts'

export interface Case {
  readonly subject: string
  readonly shape: string
  /** One measurement, from a fresh start to a clean stop. */
  readonly run: () => Promise<Readonly<Record<string, number>>>
}

export interface Rounds {
  readonly runs: readonly Run[]
  readonly failures: readonly string[]
}

export interface RoundOptions {
  readonly rounds: number
  readonly only: string
  readonly onRun?: (text: string) => void
}

export async function inRounds (cases: readonly Case[], options: RoundOptions): Promise<Rounds> {
  const { rounds, only, onRun } = options
  const nameOf = ({ subject, shape }: Case): string => `${subject}, ${shape}`
  const wanted = cases.filter((item) => nameOf(item).includes(only))
  if (wanted.length === 0) throw new Error(`no case holds '${only}'; there are: ${cases.map(nameOf).join('; ')}`)
  const runs: Run[] = []
  const failures: string[] = []
  for (let round = 0; round < rounds; round++) {
    for (let i = 0; i < wanted.length; i++) {
      const { subject, shape, run } = wanted[(i + round) % wanted.length] as Case
      const name = `round ${round + 1}/${rounds}, ${subject}, ${shape}`
      try {
        const values = await run()
        runs.push({ round, subject, shape, values })
        onRun?.(`${name}: ${Object.entries(values).map(([key, value]) => `${key} ${Number(value.toPrecision(4))}`).join(', ')}`)
      } catch (error) {
        failures.push(`${name}: ${error instanceof Error ? error.message : String(error)}`)
        onRun?.(`FAILED ${failures.at(-1)}`)
      }
    }
  }
  return { runs, failures }
}
