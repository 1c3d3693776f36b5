// One message that kills whoever reads it, as a bug in native code would, among thousands of good ones. The message is the birth of
// a device that is switched on in the middle: its serial number stands in the payload and in no other.
import { type Scenario } from '../scenario.ts'

/** At --duration 30s and the usual load more than 10,000 messages are on their way by then. */
const goodMessages = 10_000
const withinMs = 180_000
const pollMs = 200
/** The poisoned device says little: its first message is what counts. */
const rate = 0.5

export const poison: readonly Scenario[] = [{
  name: 'poison-message',
  proves: `One message that kills every worker that reads it is put into quarantine as \`poison\`; ${goodMessages.toLocaleString('en')} others are stored.`,
  expect: 'green',
  allow: { quarantine: ['poison'], deaths: ['worker'] },
  act: async (stage) => {
    const { setup, wait, signal, note } = stage
    const [broker] = setup.brokers
    if (broker === undefined) throw new Error('a set-up has at least one broker')
    // a fleet of its own: nobody reads the poison before it is switched on
    const { serial } = setup.devices.next({ devices: 1, kinds: ['thermometer'] })
    for (const worker of setup.workers) {
      setup.keeper.hold(worker.name)
      await worker.stop()
      worker.setEnv({ PULSEGATE_FAIL_POINTS: `poison=${Buffer.from(serial).toString('hex')}` })
      await worker.start()
      setup.keeper.started(worker.name)
      setup.keeper.release(worker.name)
    }
    await stage.setup.devices.add(setup.deviceUrl(broker.name), { devices: 1, kinds: ['thermometer'], rate })
    for (const untilMs = performance.now() + withinMs; performance.now() < untilMs && !signal.aborted;) {
      if (setup.devices.facts().acknowledged >= goodMessages && await quarantinedPoison(stage) > 0) break
      await wait(pollMs)
    }
    note(`${Object.values(setup.keeper.deaths).reduce((sum, count) => sum + count, 0)} workers died of it`)
  },
  checks: ({ quarantined, devices, deaths }) => [
    { name: 'one poison', ok: quarantined['poison'] === 1, value: String(quarantined['poison'] ?? 0), bound: '1' },
    { name: 'good messages', ok: devices.acknowledged >= goodMessages, value: String(devices.acknowledged), bound: `≥ ${goodMessages}` },
    { name: 'it killed', ok: Object.keys(deaths).length > 0, value: JSON.stringify(deaths), bound: 'at least one worker' }
  ]
}]

async function quarantinedPoison ({ setup }: Parameters<Scenario['act']>[0]): Promise<number> {
  const { rows } = await setup.database.query<{ count: string }>("SELECT count(*) FROM quarantine WHERE reason = 'poison'")
  return Number(rows[0]?.count ?? 0)
}
