// Death and standstill at each named place that a message passes (runtime/fail-points.ts): the microseconds that a random moment
// seldom hits.
import { type FailPoint, failPointNames } from '../../runtime/fail-points.ts'
import { type Scenario } from '../scenario.ts'
import { failPoint, planSchedule } from '../schedule.ts'
import { beyondLease, brokersOf, workersOf } from './targets.ts'

const ofBroker: readonly FailPoint[] = ['before-xadd', 'after-xadd-before-puback']
const inSelection: readonly FailPoint[] = ['after-xadd-before-puback', 'after-commit-before-xack']
/** How many passings there are to choose from: of messages many, of leases one for each partition of a worker's share. */
const passings: Partial<Record<FailPoint, number>> = { 'after-lease-before-read': 3 }

export const failPoints: readonly Scenario[] = failPointNames.map((point): Scenario => ({
  name: `at-${point}`,
  proves: `A ${ofBroker.includes(point) ? 'broker' : 'worker'} that dies or stands still ${point.replaceAll('-', ' ')} loses nothing and doubles nothing.`,
  expect: 'green',
  ...(inSelection.includes(point) && { ci: true as const }),
  act: (stage) => {
    const targets = ofBroker.includes(point) ? brokersOf(stage) : workersOf(stage)
    const hits = { low: 1, high: passings[point] ?? 40 }
    return stage.play(planSchedule({
      random: stage.random,
      durationMs: stage.durationMs,
      least: 2,
      menu: [
        failPoint(targets, point, 'kill', hits, { low: 200, high: 2_000 }),
        failPoint(targets, point, 'stop', hits, beyondLease(stage))
      ]
    }))
  }
}))
