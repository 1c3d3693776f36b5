// A new version of the program comes in: each process is asked to stop and started again, one after the other, under load.
import { type Scenario, type Stage } from '../scenario.ts'
import { unreadyOf } from '../quiet.ts'
import { type Program } from '../parts/program.ts'

const readyWithinMs = 60_000
const pollMs = 100

export const rolling: readonly Scenario[] = [{
  name: 'rolling-restart',
  proves: 'A rolling restart of all brokers and workers under load disconnects each device at most once and loses nothing.',
  expect: 'green',
  ci: true,
  act: async (stage) => {
    for (const program of stage.setup.programs) {
      await restart(stage, program)
      await stage.wait(stage.durationMs / (2 * stage.setup.programs.length))
    }
    await stage.setup.devices.flowing(100, readyWithinMs, stage.signal)
  },
  checks: ({ devices }) => [{
    name: 'disconnections',
    ok: devices.mostDisconnections === 1,
    value: `at most ${devices.mostDisconnections} a device`,
    // 0: the brokers were not restarted at all
    bound: '1'
  }]
}]

async function restart ({ setup, wait, note }: Stage, program: Program): Promise<void> {
  const { name } = program
  const startedMs = performance.now()
  setup.keeper.hold(name)
  await program.stop()
  const stoppedMs = performance.now() - startedMs
  await program.start()
  setup.keeper.started(name)
  setup.keeper.release(name)
  for (const untilMs = performance.now() + readyWithinMs; (await unreadyOf(setup)).length > 0;) {
    if (performance.now() > untilMs) throw new Error(`${name} was not ready again in time: ${(await unreadyOf(setup)).join('; ')}`)
    await wait(pollMs)
  }
  note(`${name} stopped within ${(stoppedMs / 1_000).toFixed(1)} s`)
}
