// Promises 1 and 2 under kill −9: ten times the process dies under load at a moment nobody chose; whatever a device holds as
// acknowledged is in the database, once. Negative control: the same run with acknowledgement on receipt must lose something,
// or this test could not tell a durable broker from any other.
import { type Test, test } from 'tap'
import { sleep } from '../../runtime/retry.ts'
import { createPki } from '../fixtures/pki.ts'
import { freePort, startProof } from '../fixtures/proof.ts'
import { type PulsegateProcess, startProcess } from '../fixtures/pulsegate-process.ts'
import { testServeOptions } from '../fixtures/serve-options.ts'
import { temporaryDatabase } from '../services/timescaledb.ts'

const kills = 10

interface Outcome { acknowledged: number, missing: number, doubled: number, unexpected: number, resent: number }

async function runWithKills (t: Test, acknowledgeEarly: boolean): Promise<Outcome> {
  const pki = await createPki(t)
  const { url: databaseUrl } = await temporaryDatabase(t)
  const port = await freePort()
  const start = (): Promise<PulsegateProcess> => startProcess(t, { ...testServeOptions(pki.dir, databaseUrl), mqtt: { host: '127.0.0.1', port }, acknowledgeEarly })
  let process = await start()
  const proof = await startProof(t, pki, { port, databaseUrl, devices: 8, rate: 15 })
  for (let kill = 1; kill <= kills; kill++) {
    const before = proof.simulator.stats().acknowledged
    // under load: not before devices are back and acknowledgements flow
    await until(() => proof.simulator.stats().acknowledged > before + 50)
    await sleep(Math.random() * 400)
    // half of the kills come while the database holds a commit back: the moment at which early acknowledgements lie
    if (kill % 2 === 0) {
      await proof.database.transaction(async (client) => {
        await client.query('LOCK TABLE receipt IN EXCLUSIVE MODE')
        await sleep(300)
        await process.kill()
      })
    } else await process.kill()
    process = await start()
  }
  await until(() => proof.simulator.stats().connected === proof.fleet.devices.length)
  if (!await proof.simulator.drain({ graceMs: 60_000 })) t.fail('not everything was acknowledged within a minute')
  await process.stop()
  const { acknowledged, missing, duplicates, unexpected, different, rowsMissing, rowsBeyond, examples } = await proof.compare()
  const { resent } = proof.simulator.stats()
  t.comment(`acknowledged ${acknowledged}, missing ${missing}, duplicates ${duplicates}, resent ${resent}`, examples.slice(0, 3))
  return { acknowledged, missing: missing + rowsMissing, doubled: duplicates + different + rowsBeyond, unexpected, resent }
}

async function until (done: () => boolean): Promise<void> {
  const deadline = Date.now() + 60_000
  while (!done()) {
    if (Date.now() > deadline) throw new Error('waited a minute in vain')
    await sleep(20)
  }
}

test('kill −9 ten times under load: nothing acknowledged is missing, nothing is stored twice [C16]', { timeout: 300_000 }, async (t) => {
  const outcome = await runWithKills(t, false)
  t.ok(outcome.acknowledged > kills * 50, 'there was load')
  t.ok(outcome.resent > 0, 'the kills hit messages on their way')
  t.match(outcome, { missing: 0, doubled: 0, unexpected: 0 })
})

test('negative control: acknowledging on receipt, the same run loses messages', { timeout: 300_000 }, async (t) => {
  const outcome = await runWithKills(t, true)
  t.ok(outcome.missing > 0, 'the proof can see a loss')
  t.equal(outcome.doubled, 0)
})
