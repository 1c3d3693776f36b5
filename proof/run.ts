// One scenario, from nothing to a verdict: start a set-up, bring the load up, do what the scenario does, mend everything, wait for
// rest, collect the facts, judge them. Whatever happens, nothing of the set-up is left running.
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { Random } from '../simulator/random.ts'
import { commonChecks } from './check.ts'
import { collect } from './collect.ts'
import { type CatchUpFacts } from './facts.ts'
import { type DoneFault } from './fault.ts'
import { MemoryWatch } from './memory.ts'
import { type ProofOptions } from './options.ts'
import { playSchedule } from './play.ts'
import { comeToRest, heal } from './quiet.ts'
import { type ScenarioReport, failedReport, judgedReport, skippedReport } from './result.ts'
import { type Scenario, type Stage } from './scenario.ts'
import { type Setup, startSetup } from './setup.ts'
import { sleep } from '../runtime/retry.ts'

/** Told in a few words what is going on. */
export type Phase = (text: string) => void

// Generous: two cores, beside other work. What takes longer has not come to rest.
const flowingWithinMs = 60_000
const healWithinMs = 60_000
const restWithinMs = 120_000
// the load before the first fault
const messagesBefore = 50

/** `directory`: of this scenario alone; removed when it passed, unless everything is to be kept. */
export async function runScenario (scenario: Scenario, options: ProofOptions, directory: string, tell: Phase): Promise<ScenarioReport> {
  const startedMs = performance.now()
  const tookMs = (): number => Math.round(performance.now() - startedMs)
  const phase = (text: string): void => {
    options.log.debug({ scenario: scenario.name, afterMs: tookMs() }, text)
    tell(text)
  }
  const impossible = await scenario.impossible?.() ?? null
  if (impossible !== null) return skippedReport(scenario, impossible)
  let report: ScenarioReport
  try {
    report = await carryOut(scenario, options, directory, phase, tookMs)
  } catch (error) {
    if (options.signal.aborted) throw error
    report = failedReport(scenario, error as Error, tookMs())
  }
  if (report.passed && !options.keep) await rm(directory, { recursive: true, force: true, maxRetries: 5 })
  return report.passed && !options.keep ? report : { ...report, directory }
}

async function carryOut (scenario: Scenario, options: ProofOptions, directory: string, phase: Phase, tookMs: () => number): Promise<ScenarioReport> {
  phase('starting')
  const setup = await startSetup(scenario.setup ?? {}, options, directory)
  const memory = new MemoryWatch(setup.programs)
  try {
    const { signal } = options
    phase('connecting the devices')
    await setup.devices.flowing(messagesBefore, flowingWithinMs, signal)
    phase('under load')
    const seen = new Seen()
    await scenario.act(stageOf(scenario, setup, options, seen, phase))
    phase('healing')
    await heal(setup, healWithinMs, signal)
    phase('coming to rest')
    const rest = await comeToRest(setup, restWithinMs, signal)
    await memory.close()
    phase('comparing')
    const facts = await collect(setup, { rest, memory: memory.facts(), ...seen })
    return judgedReport(scenario, facts, [...commonChecks(facts, scenario.allow), ...scenario.checks?.(facts) ?? []], tookMs())
  } catch (error) {
    throw new Error(`${(error as Error).message}${await setup.lastWords()}`, { cause: error })
  } finally {
    await memory.close()
    await setup.close()
  }
}

/** What a scenario leaves behind for the facts. */
class Seen {
  readonly faults: DoneFault[] = []
  readonly notes: string[] = []
  readonly measured: Record<string, number> = {}
  catchUp: CatchUpFacts | null = null
}

function stageOf (scenario: Scenario, setup: Setup, { seed, durationMs, leaseMs, signal }: ProofOptions, seen: Seen, phase: Phase): Stage {
  return {
    setup,
    random: new Random('proof', seed, scenario.name),
    durationMs: durationMs * (scenario.durationFactor ?? 1),
    leaseMs,
    signal,
    play: async (schedule) => {
      phase(`${schedule.length} faults`)
      seen.faults.push(...await playSchedule(setup, schedule, signal))
    },
    note: (text) => { seen.notes.push(text) },
    measure: (name, value) => { seen.measured[name] = (seen.measured[name] ?? 0) + value },
    caughtUp: (facts) => { seen.catchUp = facts },
    wait: (ms) => sleep(ms, signal)
  }
}

/** Where a scenario of this run keeps its things. */
export function scenarioDirectory (root: string, { name }: Scenario): string { return join(root, name) }
