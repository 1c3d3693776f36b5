// A database that is away for a minute is not the devices' business: with a keepalive of 10 s nobody is disconnected, memory
// stays flat, /readyz says why, and afterwards everything is stored.
import { test } from 'tap'
import { sleep } from '../../runtime/retry.ts'
import { startPulsegate } from '../fixtures/pulsegate.ts'
import { startProof } from '../fixtures/proof.ts'
import { ownServer } from '../services/server.ts'

const pauseMs = 60_000
const mebibyte = 1024 * 1024

test('the database away for 60 s: no device is disconnected, memory stays flat, all is stored after [C16]', { timeout: 300_000 }, async (t) => {
  const server = await ownServer(t)
  const { service, pki } = await startPulsegate(t, {
    databaseUrl: server.url,
    // small bounds, so that the pause really reaches them and sockets are paused
    limits: { maxInFlightMessages: 32, maxTotalMessages: 400 }
  })
  const port = Number(new URL(service.url).port)
  const { simulator, fleet, compare } = await startProof(t, pki, { port, databaseUrl: server.url, devices: 20, rate: 20 })
  await until(() => simulator.stats().connected === fleet.devices.length && simulator.stats().acknowledged > 200)
  const sessionsBefore = service.broker.stats()

  await server.stop()
  await sleep(5_000)
  const rssAtFirst = process.memoryUsage().rss
  const acknowledgedAtFirst = simulator.stats().acknowledged
  await sleep(pauseMs - 10_000)
  const ready = await readyz(service.healthServer.address.port)
  t.equal(ready.status, 503)
  t.match(ready.text, /database/, 'and it says why')
  const rssAtLast = process.memoryUsage().rss
  await sleep(5_000)

  t.equal(simulator.stats().acknowledged, acknowledgedAtFirst, 'nothing was acknowledged while nothing could be stored')
  const during = service.broker.stats()
  t.equal(during.sessions, fleet.devices.length, 'every device is still connected')
  t.same(during.refused, sessionsBefore.refused, 'and none was ended and came back')
  t.ok(during.inFlight.messages <= 400, 'what is held unstored is bounded')
  // the simulator, in this very process, keeps what it could not send: its outbox is part of the growth
  t.ok(rssAtLast - rssAtFirst < 150 * mebibyte, 'memory stays flat', { grownMiB: (rssAtLast - rssAtFirst) / mebibyte })

  await server.start()
  await until(() => simulator.stats().acknowledged > acknowledgedAtFirst)
  t.ok(await simulator.drain({ graceMs: 120_000 }), 'all of the backlog is acknowledged')
  t.equal((await readyz(service.healthServer.address.port)).status, 200)
  t.match(await compare(), { agrees: true, missing: 0, duplicates: 0, rowsMissing: 0, rowsBeyond: 0 })
})

async function readyz (port: number): Promise<{ status: number, text: string }> {
  const response = await fetch(`http://127.0.0.1:${port}/readyz`)
  return { status: response.status, text: await response.text() }
}

async function until (done: () => boolean): Promise<void> {
  const deadline = Date.now() + 90_000
  while (!done()) {
    if (Date.now() > deadline) throw new Error('waited in vain')
    await sleep(50)
  }
}
