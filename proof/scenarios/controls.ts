// Negative controls: the same proof with one safeguard taken away must come out red, or it could not tell a safe system from any
// other. Each names the check that has to notice.
import { linkName } from '../names.ts'
import { type Scenario, type Stage } from '../scenario.ts'
import { streamKey, withRedis, partitionCount } from '../streams.ts'
import { bytesOf, losePower } from './power.ts'
import { brokersOf, workersOf } from './targets.ts'

export const controls: readonly Scenario[] = [
  {
    name: 'control-acknowledge-first',
    proves: 'A broker that acknowledges before XADD is found out: killed, it takes acknowledged messages with it.',
    expect: 'red',
    red: ['lost'],
    ci: true,
    setup: { brokerProgram: 'control' },
    act: async (stage) => {
      for (const broker of brokersOf(stage)) {
        // nothing reaches Redis: what is acknowledged now is in this broker's memory and nowhere else
        await stage.setup.link(linkName(broker, 'redis')).refuse(true)
        stage.setup.link(linkName(broker, 'redis')).cut()
        await stage.wait(1_000)
        await stage.play([{ atMs: 0, fault: { kind: 'kill', target: broker, forMs: 300 } }])
        await stage.setup.link(linkName(broker, 'redis')).heal()
      }
    }
  },
  {
    name: 'control-no-fsync',
    proves: 'A Redis that answers before it writes to disk is found out by a power loss.',
    expect: 'red',
    red: ['lost'],
    setup: { redisSettings: { appendfsync: 'no' }, allowWeakDurability: true },
    act: async (stage) => {
      // nothing has been forced to the disk since here, so a power loss may take all of it
      const onDisk = await bytesOf(stage.setup.redis)
      // entries that workers have stored are safe in the database: keep some from them
      await frozenWorkers(stage, async () => {
        await stage.wait(2_000)
        await losePower(stage, { fromBytes: onDisk, random: () => 0 })
      })
      await stage.wait(1_000)
    }
  },
  {
    name: 'control-xtrim-maxlen',
    proves: 'A stream that is trimmed by length is found out: entries nobody has read are gone.',
    expect: 'red',
    red: ['lost'],
    ci: true,
    act: async (stage) => {
      await frozenWorkers(stage, async () => {
        await stage.wait(2_000)
        await withRedis(stage.setup.redis.url, async (redis) => {
          for (let partition = 0; partition < await partitionCount(redis); partition++) await redis.xtrim(streamKey(partition), 'MAXLEN', 0)
        })
      })
      await stage.wait(1_000)
    }
  },
  {
    name: 'control-no-unique-receipts',
    proves: 'Receipts without their unique index are found out: what is sent again is stored again.',
    expect: 'red',
    red: ['doubled'],
    act: async (stage) => {
      const { setup, wait } = stage
      await setup.database.query('DROP INDEX receipt_message')
      // acknowledgements that do not get through make the devices send again what is stored already
      for (const broker of brokersOf(stage)) {
        const link = setup.link(linkName('devices', broker))
        link.dropReplies(true)
        await wait(1_500)
        await link.heal()
      }
      // a writer that lived through it may remember what it wrote; one that is new asks the index alone
      await stage.play(workersOf(stage).map((target, index) => ({ atMs: 500 * index, fault: { kind: 'kill', target, forMs: 300 } })))
      for (const broker of brokersOf(stage)) {
        const link = setup.link(linkName('devices', broker))
        link.dropReplies(true)
        await wait(1_500)
        await link.heal()
      }
      await setup.devices.flowing(50, 60_000, stage.signal)
    }
  }
]

/** Runs `act` while no worker reads. They wake within their lease or after it: both are met in practice. */
async function frozenWorkers (stage: Stage, act: () => Promise<void>): Promise<void> {
  const workers = workersOf(stage).map((name) => stage.setup.part(name))
  await Promise.all(workers.map((worker) => worker.freeze()))
  try {
    await act()
  } finally {
    await Promise.all(workers.map((worker) => worker.thaw()))
  }
}
