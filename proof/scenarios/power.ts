// Power loss of the machine Redis runs on, and a Redis that comes back with nothing.
import { stat } from 'node:fs/promises'
import { type Check } from '../check.ts'
import { linkName } from '../names.ts'
import { type RedisPart } from '../parts/redis-server.ts'
import { type Scenario, type Stage } from '../scenario.ts'
import { workersOf } from './targets.ts'

/** Writes that Redis may still do while nobody hears of them. */
const unansweredMs = 300
/** Load between two losses. */
const between = { low: 1_500, high: 3_000 }

export interface PowerLoss {
  /** Nothing before this was lost; default: the size of the file when answers stopped. */
  readonly fromBytes?: number
  /** Where it is cut: 0 = at `fromBytes`. */
  readonly random?: () => number
}

/**
 * Cuts the append-only file behind everything that was answered. What is answered under `appendfsync always` is on disk; what Redis
 * wrote after its last heard answer may be there, or not, or half: answers are blocked first, so the size read then covers every
 * one that was heard. Gives how many bytes were lost.
 */
export async function losePower ({ setup, random: chance, wait }: Stage, { fromBytes, random = () => chance.uniform() }: PowerLoss = {}): Promise<number> {
  const { redis, keeper } = setup
  const proxies = setup.programs.map(({ name }) => setup.link(linkName(name, 'redis')))
  for (const proxy of proxies) proxy.dropReplies(true)
  const answered = fromBytes ?? await bytesOf(redis)
  await wait(unansweredMs)
  keeper.hold(redis.name)
  try {
    await redis.kill()
    const { cutBytes } = await redis.powerLoss({ fromBytes: answered, random })
    return cutBytes
  } finally {
    keeper.release(redis.name)
    await Promise.all(proxies.map((proxy) => proxy.heal()))
  }
}

/** How large the file is that Redis appends to. */
export async function bytesOf (redis: RedisPart): Promise<number> {
  return (await stat(await redis.aofFile())).size
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
        stage.measure('bytesLost', await losePower(stage))
        await stage.setup.devices.flowing(20, 60_000, stage.signal)
      }
    },
    checks: ({ measured }): Check[] => [{
      name: 'power failed',
      ok: (measured['bytesLost'] ?? 0) > 0,
      value: `${measured['bytesLost'] ?? 0} bytes of the append-only file lost`,
      bound: '> 0'
    }]
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
      await setup.redis.kill()
      await setup.redis.emptied()
      setup.keeper.release('redis')
      await Promise.all(workers.map((worker) => worker.thaw()))
      // gaps show when later messages of the same boot have come
      await setup.devices.flowing(200, 60_000, stage.signal)
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
