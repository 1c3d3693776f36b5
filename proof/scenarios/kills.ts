// Kill −9 and SIGSTOP of each part at random moments, one at a time.
import { type Scenario, type Stage } from '../scenario.ts'
import { type Draw, freeze, kill, planSchedule } from '../schedule.ts'
import { beyondLease, brokersOf, workersOf } from './targets.ts'

export const kills: readonly Scenario[] = [
  singly('kill-broker', 'A broker killed at any moment loses nothing it has acknowledged.', (stage) => kill(brokersOf(stage))),
  {
    ...singly('kill-worker', 'A worker killed at any moment leaves nothing half written; another takes over its partitions.',
      (stage) => kill(workersOf(stage), { low: 500, high: 2 * stage.leaseMs })),
    ci: true
  },
  singly('kill-redis', 'Redis killed at any moment keeps what it has answered, and brokers hold back what it has not.', () => kill(['redis'])),
  singly('kill-postgres', 'PostgreSQL killed at any moment: what was not committed is written again, once.', () => kill(['postgres'])),
  singly('freeze-broker', 'A broker that stood still and goes on neither loses nor doubles what it held.', (stage) => freeze(brokersOf(stage), { low: 1_000, high: 8_000 })),
  singly('freeze-worker', 'A worker that wakes after others took its partitions writes nothing twice and acknowledges nothing that is not its own.',
    (stage) => freeze(workersOf(stage), beyondLease(stage))),
  singly('freeze-redis', 'A Redis that does not answer for seconds is waited for; nothing is given up.', () => freeze(['redis'], { low: 1_000, high: 6_000 })),
  singly('freeze-postgres', 'A database that does not answer for seconds is waited for; nothing is given up.', () => freeze(['postgres'], { low: 1_000, high: 8_000 }))
]

function singly (name: string, proves: string, draw: (stage: Stage) => Draw): Scenario {
  return {
    name,
    proves,
    expect: 'green',
    act: (stage) => stage.play(planSchedule({ random: stage.random, durationMs: stage.durationMs, menu: [draw(stage)] }))
  }
}
