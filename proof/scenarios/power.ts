// Power loss of the machine Redis runs on, and a Redis that comes back with nothing.
import { brokersOf, workersOf } from './targets.ts'
import { linkName } from '../names.ts'
import { type Check } from '../check.ts'
import { type Scenario, type Stage } from '../scenario.ts'

/** Writes that Redis may still do while nobody hears of them. */
const unansweredMs = 300
/** Load between two losses. */
const between = { low: 1_500, high: 3_000 }

/**
 * Cuts the AOF behind everything that was answered. What is answered under `appendfsync always` is on disk; what Redis wrote after
 * its last heard answer may be there, or not, or half: replies are blocked first, so the size read then covers every answer heard.
 */
export async function losePower ({ setup, random, wait }: Stage, fromBytes?: number): Promise<void> {
  const { redis, keeper } = setup
  const names = [...setup.brokers, ...setup.workers].map(({ name }) => setup.link(linkName(name, 'redis')))
  for (const proxy of names) proxy.dropReplies(true)
  const answered = fromBytes ?? await redis.aofBytes()
  await wait(unansweredMs)
  keeper.hold(redis.name)
  try {
    await redis.powerLoss({ fromBytes: answered, random: () => random.uniform() })
    keeper.started(redis.name)
  } finally {
    keeper.release(redis.name)
    await Promise.all(names.map((proxy) => proxy.heal()))
  }
}

export const power: readonly Scenario[] = [
  {
    name: 'power-loss',
    proves: 'When the power fails, whatever had been acknowledged is in the stream; a record cut in half hurts nothing.',
    expect: 'green',
    ci: true,
    act: async (stage) => {
      for (let left = Math.max(2, Math.round(stage.durationMs / 8_000)); left > 0; left--) {
        await stage.wait(stage.random.between(between.low, between.high))
        await losePower(stage)
        await stage.setup.devices.flowing(20, 60_000, stage.signal)
      }
    }
  },
  {
    name: 'redis-emptied',
    proves: 'When Redis comes back with nothing, devices send again what was unacknowledged, and completeness() reports every other loss.',
    expect: 'green',
    allow: { reportedLoss: true },
    act: async (stage) => {
      const { setup, wait } = stage
      await wait(2_000)
      // a backlog: without one there would be nothing to lose
      const workers = workersOf(stage).map((name) => setup.part(name))
      await Promise.all(workers.map((worker) => worker.freeze()))
      await wait(Math.min(stage.durationMs, 3_000))
      setup.keeper.hold('redis')
      await setup.redis.emptied()
      setup.keeper.started('redis')
      setup.keeper.release('redis')
      await Promise.all(workers.map((worker) => worker.thaw()))
      // gaps show when later messages of the same boot have come
      await setup.devices.flowing(5 * brokersOf(stage).length * 20, 60_000, stage.signal)
      await wait(2_000)
    },
    checks: ({ comparison }): Check[] => [{
      name: 'something to report',
      ok: comparison.missing > 0,
      value: `${comparison.missing} lost with the stream`,
      bound: '> 0'
    }]
  }
]
