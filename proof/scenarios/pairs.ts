// Two faults at once, of everything there is. What one part does to be safe must not lean on another being well.
import { linkFaults } from '../fault.ts'
import { failPointNames } from '../../runtime/fail-points.ts'
import { type Scenario, type Stage } from '../scenario.ts'
import { type Draw, failPoint, freeze, kill, link, planSchedule } from '../schedule.ts'
import { beyondLease, brokersOf, workersOf } from './targets.ts'

export const pairs: readonly Scenario[] = [
  {
    name: 'pairs-of-kills',
    proves: 'Any two parts killed or frozen at the same time lose nothing and double nothing.',
    expect: 'green',
    durationFactor: 2,
    act: (stage) => stage.play(planSchedule({ random: stage.random, durationMs: stage.durationMs, menu: hardFaults(stage), pairs: true }))
  },
  {
    name: 'pairs-of-anything',
    proves: 'Any two faults at once, processes, fail points and links mixed, lose nothing and double nothing.',
    expect: 'green',
    ci: true,
    durationFactor: 3,
    act: (stage) => stage.play(planSchedule({ random: stage.random, durationMs: stage.durationMs, menu: [...hardFaults(stage), ...softFaults(stage)], pairs: true }))
  }
]

function hardFaults (stage: Stage): Draw[] {
  return [
    kill(brokersOf(stage)),
    kill(workersOf(stage)),
    kill(['redis']),
    kill(['postgres']),
    freeze(brokersOf(stage), { low: 1_000, high: 5_000 }),
    freeze(workersOf(stage), beyondLease(stage)),
    freeze(['redis'], { low: 1_000, high: 4_000 }),
    freeze(['postgres'], { low: 1_000, high: 5_000 })
  ]
}

function softFaults (stage: Stage): Draw[] {
  const names = stage.setup.links.map(({ name }) => name)
  const ofWorkers = failPointNames.filter((point) => !point.includes('xadd') && point !== 'after-lease-before-read')
  return [
    ...linkFaults.map((how) => link(names, how)),
    ...ofWorkers.map((point) => failPoint(workersOf(stage), point, 'kill', { low: 1, high: 20 }, { low: 200, high: 1_500 })),
    failPoint(brokersOf(stage), 'after-xadd-before-puback', 'kill', { low: 1, high: 20 }, { low: 200, high: 1_500 })
  ]
}
