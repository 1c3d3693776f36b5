// A bad network between each pair of parts: cut, refused, late, replies lost, half open, reset in the middle of a frame, 1 kB/s.
import { linkFaults } from '../fault.ts'
import { linkName } from '../names.ts'
import { type Scenario, type Stage } from '../scenario.ts'
import { link, planSchedule } from '../schedule.ts'
import { brokersOf, workersOf } from './targets.ts'

export const links: readonly Scenario[] = [
  badLink('link-devices-broker', 'devices and brokers', (stage) => brokersOf(stage).map((broker) => linkName('devices', broker))),
  { ...badLink('link-broker-redis', 'brokers and Redis', (stage) => brokersOf(stage).map((broker) => linkName(broker, 'redis'))), ci: true },
  badLink('link-broker-postgres', 'brokers and PostgreSQL', (stage) => brokersOf(stage).map((broker) => linkName(broker, 'postgres'))),
  badLink('link-worker-redis', 'workers and Redis', (stage) => workersOf(stage).map((worker) => linkName(worker, 'redis'))),
  badLink('link-worker-postgres', 'workers and PostgreSQL', (stage) => workersOf(stage).map((worker) => linkName(worker, 'postgres')))
]

function badLink (name: string, pair: string, of: (stage: Stage) => string[]): Scenario {
  return {
    name,
    proves: `Whatever the network between ${pair} does, nothing is lost or doubled.`,
    expect: 'green',
    act: (stage) => stage.play(planSchedule({
      random: stage.random,
      durationMs: stage.durationMs,
      // each of them once
      least: linkFaults.length,
      menu: linkFaults.map((how) => link(of(stage), how))
    }))
  }
}
