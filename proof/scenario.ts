// What a scenario is: a name, the sentence it proves, how its set-up differs from the usual one, what happens to it, and what must
// hold in the end beyond the common checks. Scenarios are small files in scenarios/, one a family; run.ts carries them out.
import { type Random } from '../simulator/random.ts'
import { type Allowance, type Check } from './check.ts'
import { type CatchUpFacts, type Facts } from './facts.ts'
import { type PlannedFault } from './fault.ts'
import { type Expectation } from './verdict.ts'
import { type Setup } from './setup.ts'

/** How the set-up of a scenario differs from the usual one. */
export interface SetupChoices {
  /** The brokers run this program: `control` acknowledges before XADD. */
  readonly brokerProgram?: 'pulsegate' | 'control'
  readonly redisSettings?: Readonly<Record<string, string>>
  readonly allowWeakDurability?: boolean
  /** Environment of every worker, beyond the usual. */
  readonly workerEnv?: Readonly<Record<string, string>>
  /** Brokers and workers read their wall clock through a file that the scenario may shift. */
  readonly shiftedClocks?: boolean
  /** This part keeps its data on a disk of its own, of so many megabytes. */
  readonly smallDisk?: { readonly part: 'redis' | 'postgres', readonly megabytes: number }
}

/** What a scenario is given to act with. */
export interface Stage {
  readonly setup: Setup
  /** Of this scenario and seed: draws are the same at every replay. */
  readonly random: Random
  readonly durationMs: number
  readonly leaseMs: number
  /** Aborts when the person stops the proof. */
  readonly signal: AbortSignal
  /** Carries out a schedule; resolves when its last fault has ended. */
  readonly play: (schedule: readonly PlannedFault[]) => Promise<void>
  /** For the report: what was seen beyond the facts, in a sentence. */
  readonly note: (text: string) => void
  /** For the scenario's own checks: adds to what was measured under that name. */
  readonly measure: (name: string, value: number) => void
  /** For scenarios that measure how fast a backlog is worked off. */
  readonly caughtUp: (facts: CatchUpFacts) => void
  /** Waits; rejects when the person stops the proof. */
  readonly wait: (ms: number) => Promise<void>
}

export interface Scenario extends Expectation {
  /** Of letters and dashes. */
  readonly name: string
  /** One sentence: what it proves. */
  readonly proves: string
  /** Belongs to the five-minute selection, too. */
  readonly ci?: true
  /** Lasts so many times as long as --duration says; default 1. */
  readonly durationFactor?: number
  readonly setup?: SetupChoices
  readonly allow?: Allowance
  /** Why it cannot be carried out on this machine; null when it can. */
  readonly impossible?: () => Promise<string | null>
  readonly act: (stage: Stage) => Promise<void>
  /** Beyond the common checks. */
  readonly checks?: (facts: Facts) => Check[]
}
