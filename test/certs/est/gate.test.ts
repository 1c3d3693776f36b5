// Handshakes of the EST port take their turn at the broker's gate: a storm at one port does not cost the other its core.
import { connect, type TLSSocket } from 'node:tls'
import { test, type Test } from 'tap'
import { eventually, startTestBroker, type TestBroker } from '../../fixtures/broker.ts'
import { startEst, type TestEst } from '../../fixtures/est.ts'

async function both (t: Test, limits: Record<string, number>): Promise<{ bench: TestBroker, est: TestEst, dial (count: number): { through: number, closed: number } }> {
  const bench = await startTestBroker(t, { limits })
  const est = await startEst(t, { pki: bench.pki, handshakes: bench.broker.handshakes })
  const open = new Set<TLSSocket>()
  t.teardown(() => { for (const socket of open) socket.destroy() })
  const dial = (count: number): { through: number, closed: number } => {
    const seen = { through: 0, closed: 0 }
    for (let n = 0; n < count; n++) {
      const socket = connect({ host: '127.0.0.1', port: est.server.address.port, servername: 'localhost', ca: bench.pki.ca }).on('error', () => {})
      socket.once('secureConnect', () => { seen.through++ }).once('close', () => { if (!socket.authorized) seen.closed++ })
      open.add(socket)
    }
    return seen
  }
  return { bench, est, dial }
}

test('an address begins so many handshakes a second at both ports together; the others wait, unread, and come in', async (t) => {
  const { bench, dial } = await both(t, { handshakesPerAddress: 2 })
  await bench.tls(await bench.pki.device())
  const seen = dial(12)
  await eventually(() => seen.through >= 7 && bench.broker.stats().handshakes.waiting >= 1)
  t.ok(seen.through < 12, `${seen.through} of 12 at first: eight at once, less the broker's`)
  await eventually(() => seen.through === 12)
})

test('who waits in vain is closed and counted', async (t) => {
  const { bench, dial } = await both(t, { handshakesPerAddress: 1, handshakeWaitMs: 500 })
  const seen = dial(12)
  await eventually(() => seen.through + seen.closed === 12)
  t.ok(seen.closed > 0, `${seen.closed} of 12`)
  t.notOk(bench.broker.stats().refused['handshake-busy'], 'not as a refusal of the broker')
})

test('an address that is kept out of the broker may still renew, slowly: its certificates may have ended', async (t) => {
  const { bench, est } = await both(t, { authenticationFailures: 3 })
  for (let n = 0; n < 5; n++) await bench.tls(bench.pki.bad.foreignCa)
  await eventually(() => (bench.broker.stats().banned.addresses) === 1)
  t.equal((await est.ask('cacerts')).status, 200)
})
