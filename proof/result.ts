// What comes out of one scenario, as it stands in the JSON file. Pure.
import { type Check, peakBytes } from './check.ts'
import { type Facts, lostOf } from './facts.ts'
import { type Scenario } from './scenario.ts'
import { verdictOf } from './verdict.ts'

export interface ScenarioReport {
  readonly name: string
  readonly proves: string
  readonly expect: 'green' | 'red'
  readonly outcome: 'green' | 'red' | 'skipped' | 'failed'
  /** As it must be; skipped ones pass, and say so. */
  readonly passed: boolean
  /** Why it was skipped, failed, or is not what it must be. */
  readonly reason: string | null
  readonly tookMs: number
  readonly checks: readonly Check[]
  /** Null when it did not get so far. */
  readonly facts: Facts | null
  /** Where its logs and data lie, when they were kept. */
  readonly directory?: string
}

type About = Pick<Scenario, 'name' | 'proves' | 'expect' | 'red'>

export function judgedReport (scenario: About, facts: Facts, checks: readonly Check[], tookMs: number): ScenarioReport {
  const { outcome, passed, reason } = verdictOf(scenario, checks)
  return { ...about(scenario), outcome, passed, reason, tookMs, checks, facts }
}

export function skippedReport (scenario: About, reason: string): ScenarioReport {
  return { ...about(scenario), outcome: 'skipped', passed: true, reason, tookMs: 0, checks: [], facts: null }
}

/** It could not be carried out: nothing is shown, in either direction. */
export function failedReport (scenario: About, error: Error, tookMs: number): ScenarioReport {
  return { ...about(scenario), outcome: 'failed', passed: false, reason: error.message, tookMs, checks: [], facts: null }
}

function about ({ name, proves, expect }: About): Pick<ScenarioReport, 'name' | 'proves' | 'expect'> { return { name, proves, expect } }

/** The numbers of the table. Null: there are none. */
export function figuresOf ({ facts }: ScenarioReport): Figures | null {
  if (facts === null) return null
  const { devices, comparison, balance, quarantined, rest, memory } = facts
  return {
    acknowledged: devices.acknowledged,
    lost: lostOf(facts),
    doubled: comparison.duplicates + balance.rowsBeyond,
    unexpected: comparison.unexpected,
    recovered: devices.recovered,
    quarantined: Object.values(quarantined).reduce((sum, count) => sum + count, 0),
    restMs: rest.tookMs,
    brokerBytes: peakBytes(memory, 'broker'),
    workerBytes: peakBytes(memory, 'worker')
  }
}

export interface Figures {
  readonly acknowledged: number
  readonly lost: number
  readonly doubled: number
  readonly unexpected: number
  readonly recovered: number
  readonly quarantined: number
  readonly restMs: number
  readonly brokerBytes: number
  readonly workerBytes: number
}
