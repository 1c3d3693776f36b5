// The wall clock of brokers and workers jumps by an hour and back. Times of readings come from the devices; deadlines must not
// hang on a clock that somebody can set.
import { type Scenario } from '../scenario.ts'

const hourMs = 3_600_000

export const clocks: readonly Scenario[] = [
  jump('clock-forward', hourMs, 'A server clock an hour ahead loses nothing and doubles nothing, there and back.', []),
  // from there the devices' times lie in the future: quarantine, with their bytes and a way back
  jump('clock-back', -hourMs, 'A server clock an hour behind loses nothing: what now seems to come from the future is in quarantine.', ['clock-ahead'])
]

function jump (name: string, byMs: number, proves: string, quarantine: readonly string[]): Scenario {
  return {
    name,
    proves,
    expect: 'green',
    setup: { shiftedClocks: true },
    allow: { quarantine },
    act: async ({ setup, wait, durationMs }) => {
      if (setup.clock === null) throw new Error('the set-up has no clock to shift')
      await wait(2_000)
      await setup.clock.shift(byMs)
      await wait(durationMs)
      await setup.clock.shift(0)
      await wait(2_000)
    },
    checks: ({ quarantined }) => quarantine.map((reason) => ({
      name: `seen as ${reason}`,
      // else the clock never jumped, and nothing was shown
      ok: (quarantined[reason] ?? 0) > 0,
      value: String(quarantined[reason] ?? 0),
      bound: '> 0'
    }))
  }
}
