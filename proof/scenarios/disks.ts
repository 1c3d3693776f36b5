// A full disk below Redis and below PostgreSQL: what they cannot write they must not acknowledge, and when there is room again all
// goes on. On a small disk of their own, so that nobody else's is filled.
import { type Scenario } from '../scenario.ts'
import { whyNoDisk } from './targets.ts'

export const disks: readonly Scenario[] = [
  diskFull('redis', 64, 'Redis with a full disk takes nothing it cannot keep: PUBACK is withheld, nothing is lost.'),
  // WAL segments, the cluster itself and the rows of a run
  diskFull('postgres', 400, 'PostgreSQL with a full disk: messages wait in Redis and are stored when there is room again.')
]

function diskFull (part: 'redis' | 'postgres', megabytes: number, proves: string): Scenario {
  return {
    name: `disk-full-${part}`,
    proves,
    expect: 'green',
    setup: { smallDisk: { part, megabytes } },
    // both may end themselves when they cannot write their log, and are started again
    allow: { deaths: [part] },
    impossible: whyNoDisk,
    act: async ({ setup, wait, durationMs, note }) => {
      if (setup.disk === null) throw new Error('the set-up has no small disk')
      const { acknowledged } = setup.devices.facts()
      await setup.disk.fill()
      await wait(durationMs)
      note(`${setup.devices.facts().acknowledged - acknowledged} messages acknowledged while the disk was full`)
      await setup.disk.free()
      await wait(2_000)
    }
  }
}
