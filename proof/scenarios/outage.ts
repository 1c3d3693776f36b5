// The database away for a long time at full load: Redis holds what comes in, brokers and workers stay small, and afterwards the
// backlog is worked off several times as fast as messages come in.
import { type Check } from '../check.ts'
import { type Scenario, type Stage } from '../scenario.ts'
import { backlogOf, withRedis } from '../streams.ts'

const factorBound = 3
const pollMs = 100
const catchUpWithinMs = 300_000
/** What is always on its way is no backlog. */
const restMessages = 50

export const outage: readonly Scenario[] = [{
  name: 'database-outage',
  proves: `After a long outage of the database at full load, the backlog is stored at ${factorBound} times the rate at which messages arrive, or faster.`,
  expect: 'green',
  // 10 minutes for the usual 30 s
  durationFactor: 20,
  act: async (stage) => {
    const { setup, wait, durationMs } = stage
    const { acknowledged } = setup.devices.facts()
    setup.keeper.hold('postgres')
    await setup.postgres.kill()
    await wait(durationMs)
    const arrivedPerS = (setup.devices.facts().acknowledged - acknowledged) / (durationMs / 1_000)
    setup.keeper.release('postgres')
    await storing(stage)
    await measureCatchUp(stage, arrivedPerS)
  },
  checks: ({ catchUp }): Check[] => {
    const factor = catchUp === null ? 0 : catchUp.storedPerS / catchUp.arrivedPerS
    return [{
      name: 'catch-up',
      ok: catchUp !== null && factor >= factorBound,
      value: catchUp === null ? 'not measured' : `${factor.toFixed(1)} × (${catchUp.storedPerS.toFixed(0)} stored/s, ${catchUp.arrivedPerS.toFixed(0)} arrived/s, backlog ${catchUp.backlog})`,
      bound: `≥ ${factorBound} ×`
    }]
  }
}]

/** The first batch after the outage: before it the server was starting, or workers backed off. */
async function storing (stage: Stage): Promise<void> {
  const before = await backlog(stage)
  for (const untilMs = performance.now() + catchUpWithinMs; await backlog(stage) >= before;) {
    if (performance.now() > untilMs) throw new Error('nothing was stored after the outage')
    await stage.wait(pollMs)
  }
}

async function measureCatchUp (stage: Stage, arrivedPerS: number): Promise<void> {
  const { setup, wait } = stage
  const begun = { atMs: performance.now(), backlog: await backlog(stage), acknowledged: setup.devices.facts().acknowledged }
  let left = begun.backlog
  while (left > restMessages && performance.now() - begun.atMs < catchUpWithinMs) {
    await wait(pollMs)
    left = await backlog(stage)
  }
  const seconds = (performance.now() - begun.atMs) / 1_000
  const arrived = setup.devices.facts().acknowledged - begun.acknowledged
  stage.caughtUp({ arrivedPerS, storedPerS: (begun.backlog - left + arrived) / seconds, backlog: begun.backlog })
  stage.note(`backlog of ${begun.backlog} messages worked off in ${seconds.toFixed(1)} s beside ${arrived} new ones`)
}

async function backlog ({ setup }: Stage): Promise<number> {
  return await withRedis(setup.redis.url, backlogOf)
}
