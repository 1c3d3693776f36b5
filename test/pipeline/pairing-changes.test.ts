// Changes of pairings and states by `pulsegate devices …`, felt by a running Pulsegate within a second; which side of a boundary a message
// lies on is decided by its own time, not by when it comes in.
import { randomUUID } from 'node:crypto'
import { test } from 'tap'
import { devicesCommand } from '../../cli/devices.ts'
import { runCommand } from '../fixtures/run-command.ts'
import { telemetry, type TestDevice } from '../fixtures/mqtt-device.ts'
import { type Running, startPulsegate } from '../fixtures/pulsegate.ts'
import { needsServices } from '../services/skip.ts'

let nextSeq = 0

/** Relays a message of `source` with base time `wallMs`; gives the reason it is in quarantine for, undefined when it is stored. */
async function relay ({ reader }: Running, gateway: TestDevice, source: string, wallMs = Date.now()): Promise<string | undefined> {
  const seq = nextSeq++
  const payload = telemetry(0, { header: { source, boot: 1n, seq, baseWallMs: wallMs, baseTickMs: seq } })
  await gateway.publish(payload)
  const { rows } = await reader.query<{ reason: string | null, stored: boolean }>(`SELECT (SELECT reason FROM quarantine WHERE source = $1 AND seq = $2) AS reason,
    EXISTS (SELECT FROM receipt r JOIN device d ON d.key = r.device WHERE d.id = $1 AND r.seq = $2) AS stored`, [source, seq])
  if (rows[0]?.stored === (rows[0]?.reason !== null)) throw new Error('acknowledged and neither or both')
  return rows[0]?.reason ?? undefined
}

test('a sensor that is unpaired, and paired again, by the command line: within a second, and never a row in between [C6]', needsServices, async (t) => {
  const running = await startPulsegate(t)
  const gateway = await running.connect()
  const sensor = randomUUID()
  const devices = (...words: string[]): Promise<unknown> => runCommand(devicesCommand, ...words, '--database-url', running.databaseUrl)
  t.equal(await relay(running, gateway, sensor), 'unknown-source')
  await devices('pair', gateway.id, sensor)
  t.equal(await relay(running, gateway, sensor), undefined)
  for (let round = 0; round < 3; round++) {
    await devices('unpair', sensor)
    const since = performance.now()
    // the worker has just answered from memory: what it hears makes it forget
    while (await relay(running, gateway, sensor) === undefined) if (performance.now() - since > 1_000) { t.fail('still stored a second after it was unpaired'); break }
    t.ok(performance.now() - since < 1_000)
    t.equal(await relay(running, gateway, sensor), 'not-paired')
    await devices('pair', gateway.id, sensor)
    t.equal(await relay(running, gateway, sensor), undefined, 'a pairing is felt at once')
  }
})

test('the time of the message decides: both sides of the boundary, to the millisecond, whenever it comes in [C6]', needsServices, async (t) => {
  const running = await startPulsegate(t)
  const [one, two] = await Promise.all([running.connect(), running.connect()])
  const sensor = randomUUID()
  const { registry } = running.service
  // many ms, since a float may lie on either side of one
  for (let round = 0; round < 20; round++) {
    const movedMs = Date.now() - 3_600_000 + round * 60_001
    const moving = `${sensor.slice(0, -2)}${round.toString(16).padStart(2, '0')}`
    await registry.pair(one.id, moving, movedMs - 60_000)
    await registry.pair(two.id, moving, movedMs)
    t.strictSame([
      await relay(running, one, moving, movedMs - 60_001), await relay(running, one, moving, movedMs - 60_000),
      await relay(running, one, moving, movedMs - 1), await relay(running, one, moving, movedMs),
      await relay(running, two, moving, movedMs - 1), await relay(running, two, moving, movedMs)
    ], ['not-paired', undefined, undefined, 'not-paired', 'not-paired', undefined], 'a backlog measured while it was paired is taken late')
  }
})

test('suspend and approve by the command line: the live session is out within a second, and comes back', needsServices, async (t) => {
  const running = await startPulsegate(t)
  const identity = await running.pki.device()
  const [device, innocent] = await Promise.all([running.connect(identity), running.connect()])
  await device.publish(telemetry(0))
  let endedMs = 0
  const ended = new Promise<void>((resolve) => { device.client.once('close', () => { endedMs = performance.now(); resolve() }) })
  const { out } = await runCommand(devicesCommand, 'suspend', identity.id, '--json', '--database-url', running.databaseUrl)
  const doneMs = performance.now()
  t.match(JSON.parse(out), { changed: 1, devices: [{ id: identity.id, outcome: 'changed' }] })
  await ended
  t.ok(endedMs - doneMs < 1_000)
  await t.rejects(running.connect(identity), { code: 5 })
  await runCommand(devicesCommand, 'approve', identity.id, '--database-url', running.databaseUrl)
  await (await running.connect(identity)).publish(telemetry(1))
  await innocent.publish(telemetry(0))
})
