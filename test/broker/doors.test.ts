// Ports beside the broker's share its gate: who is at one of them must not cost those at another their way in. Real TLS, an EST server and
// an administration address.
import { once } from 'node:events'
import { connect as tcpConnect } from 'node:net'
import { test, type Test } from 'tap'
import { type AdminRoute } from '../../admin/routes.ts'
import { type AdminHouse, startAdminHouse } from '../fixtures/admin.ts'
import { eventually, startTestBroker, type TestBroker } from '../fixtures/broker.ts'
import { startEst, type TestEst } from '../fixtures/est.ts'

const whoami: AdminRoute = { method: 'GET', path: '/v1/whoami', right: 'status:read', action: 'R', entity: () => ({ type: 'process', id: 'broker' }), handle: async ({ operator: { name } }) => ({ name }) }

interface Doors { readonly bench: TestBroker, readonly est: TestEst, readonly house: AdminHouse, open (port: number, count: number): Promise<void> }

async function doors (t: Test, limits: Record<string, number>): Promise<Doors> {
  const bench = await startTestBroker(t, { limits })
  const { handshakes } = bench.broker
  return {
    bench,
    est: await startEst(t, { pki: bench.pki, handshakes }),
    house: await startAdminHouse(t, [whoami], { handshakes }),
    /** Connections that say nothing. */
    async open (port, count) {
      for (let n = 0; n < count; n++) {
        const socket = tcpConnect({ port, host: '127.0.0.1' }).on('error', () => {})
        t.teardown(() => { socket.destroy() })
        await once(socket, 'connect')
      }
    }
  }
}

for (const [name, maxConnections] of [['that has all its connections', 100], ['in a broker that is full', 2]] as const) {
  test(`an address ${name} may still renew and administer [C20]`, async (t) => {
    const { bench: { broker, pki, client, tls }, est, house, open } = await doors(t, { maxConnections, maxConnectionsPerAddress: 2 })
    const alice = await house.person('alice', 'operator')
    for (let n = 0; n < 2; n++) await client(await pki.device())
    await open(est.server.address.port, 2)
    await open(house.server.address.port, 2)
    t.equal((await est.enrol('simplereenroll', { identity: await pki.device() })).status, 200)
    t.equal((await house.ask(alice, 'GET', '/v1/whoami')).status, 200)
    await (await tls(await pki.device())).closed
    const reason = maxConnections === 2 ? 'too-many-connections' : 'too-many-from-address'
    t.strictSame(broker.stats().refused, { [reason]: 1 }, 'the broker\'s own limit holds as before')
  })
}

test('what is open at other ports takes no room of the broker\'s [C7]', async (t) => {
  const { bench: { broker, pki, client }, est, house, open } = await doors(t, { maxConnections: 6, maxConnectionsPerAddress: 4 })
  await open(est.server.address.port, 8)
  await open(house.server.address.port, 8)
  for (let n = 0; n < 4; n++) await client(await pki.device())
  await eventually(() => broker.stats().sessions === 4)
  t.strictSame(broker.stats().refused, {})
})

test('at one address each port has its turn: a storm at the broker\'s does not keep an operator or a renewal waiting [C7] [C20]', async (t) => {
  const { bench: { broker, pki }, est, house, open } = await doors(t, { handshakesPerAddress: 2, handshakeWaitMs: 6_000 })
  const alice = await house.person('alice', 'operator')
  const device = await pki.device()
  await open(broker.address.port, 40) // sixteen seconds' worth
  await eventually(() => broker.stats().handshakes.waiting > 25)
  const [renewed, asked] = await Promise.all([est.enrol('simplereenroll', { identity: device }), house.ask(alice, 'GET', '/v1/whoami')])
  t.equal(renewed.status, 200)
  t.equal(asked.status, 200)
  t.ok(broker.stats().handshakes.waiting > 10, 'before those who came earlier at the other port')
})

test('and a storm at another port does not keep devices waiting [C7]', async (t) => {
  const { bench: { broker, pki, client }, est, open } = await doors(t, { handshakesPerAddress: 2, handshakeWaitMs: 6_000 })
  const device = await pki.device()
  await open(est.server.address.port, 40)
  await eventually(() => broker.stats().handshakes.waiting > 25)
  await client(device)
  t.ok(broker.stats().handshakes.waiting > 10)
  await eventually(() => broker.stats().sessions === 1)
  t.strictSame(broker.stats().refused, {})
})
