import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { join } from 'node:path'
import { test } from 'tap'
import { createFleet } from '../../simulator/fleet.ts'
import { Ledger } from '../../simulator/ledger.ts'
import { type SimulatorStats } from '../../simulator/stats.ts'
import { createPki } from '../fixtures/pki.ts'
import { startRecordingBroker } from '../fixtures/recording-broker.ts'
import { identityOf } from '../fixtures/simulated-ward.ts'

// source and dist differ in the ending only
const fixture = fileURLToPath(import.meta.resolve('../fixtures/simulator-process' + import.meta.url.slice(-3)))

test('a simulator killed under load has in its ledger everything it counted, and loses nothing it published', { timeout: 110_000 }, async (t) => {
  const pki = await createPki(t)
  const broker = await startRecordingBroker(pki)
  t.teardown(async () => broker.close())
  const directory = t.testdir()
  const seed = 3
  const identities = await pki.devices(createFleet({ seed, devices: 4 }).devices.map(({ id }) => id))
  const argument = JSON.stringify({ url: broker.url, ca: pki.ca, directory, seed, identities })
  let counted = 0

  for (const atLeast of [50, 120]) {
    const child = fork(fixture, [argument], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
    t.teardown(async () => { child.kill('SIGKILL') })
    const before = counted
    await new Promise<void>((resolve) => child.on('message', (stats: SimulatorStats) => {
      counted = before + stats.acknowledged
      if (stats.acknowledged >= atLeast) resolve()
    }))
    child.kill('SIGKILL')
    await once(child, 'exit')
  }

  const ledger = await Ledger.open(join(directory, 'ledger.jsonl'))
  const arrived = new Set(broker.recorded.map(identityOf))
  let entries = 0
  for await (const { device, boot, seq } of ledger.entries()) {
    entries++
    if (!arrived.has(`${device}/${boot}/${seq}`)) t.fail(`seq ${seq} acknowledged, but never arrived`)
  }
  t.ok(entries >= counted, `${entries} in the ledger, ${counted} counted`)

  // what the killed ones left is sent by the next one, byte for byte
  const child = fork(fixture, [argument], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
  t.teardown(async () => { child.kill('SIGKILL') })
  const boots = (): number => new Set(broker.recorded.map(({ message }) => message.header.boot)).size
  await broker.until(() => boots() === 12)
  child.kill('SIGKILL')
  await once(child, 'exit')
  const payloads = new Map<string, Buffer>()
  const seqs = new Map<string, Set<number>>()
  for (const entry of broker.recorded) {
    const first = payloads.get(identityOf(entry))
    if (first && !first.equals(entry.payload)) t.fail(`${identityOf(entry)} came with other bytes`)
    payloads.set(identityOf(entry), entry.payload)
    const key = `${entry.source}/${entry.message.header.boot}`
    seqs.set(key, (seqs.get(key) ?? new Set()).add(entry.message.header.seq))
  }
  for (const [boot, known] of seqs) t.equal(known.size, Math.max(...known) + 1, `no gap in ${boot}`)
  ledger.close()
})
