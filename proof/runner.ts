// A run: the scenarios that were chosen, one after the other, into one report. A run that is stopped reports what it has.
import { type ProofOptions } from './options.ts'
import { type Progress } from './progress.ts'
import { type RunReport } from './report.ts'
import { type ScenarioReport } from './result.ts'
import { runScenario, scenarioDirectory } from './run.ts'
import { type Scenario } from './scenario.ts'

export interface About { readonly commit: string | null, readonly versions: Readonly<Record<string, string>> }

export async function runProof (scenarios: readonly Scenario[], options: ProofOptions, about: About, progress: Progress): Promise<RunReport> {
  const date = new Date().toISOString()
  const startedMs = performance.now()
  const reports: ScenarioReport[] = []
  progress.begin()
  for (const [index, scenario] of scenarios.entries()) {
    const place = `${index + 1}/${scenarios.length}`
    try {
      const report = await runScenario(scenario, options, scenarioDirectory(options.directory, scenario), (text) => { progress.phase(scenario.name, place, text) })
      reports.push(report)
      progress.done(report)
    } catch (error) {
      if (!options.signal.aborted) throw error
      break
    }
  }
  const { seed, durationMs, fleet, rate, brokers, workers, partitions, leaseMs } = options
  return {
    seed,
    date,
    commit: about.commit,
    versions: { ...about.versions, ...reports.findLast(({ facts }) => facts !== null)?.facts?.versions },
    settings: { durationMs, fleet, rate, brokers, workers, partitions, leaseMs },
    tookMs: Math.round(performance.now() - startedMs),
    passed: reports.length === scenarios.length && reports.every(({ passed }) => passed),
    scenarios: reports
  }
}
