// Handshakes of the administration port take their turn at the broker's gate: strangers who knock here do not cost the devices their core.
import { connect } from 'node:tls'
import { test, type Test } from 'tap'
import { type AdminRoute } from '../../admin/routes.ts'
import { type AdminHouse, startAdminHouse } from '../fixtures/admin.ts'
import { eventually, startTestBroker, type TestBroker } from '../fixtures/broker.ts'

const whoami: AdminRoute = { method: 'GET', path: '/v1/whoami', right: 'status:read', action: 'R', entity: () => ({ type: 'process', id: 'broker' }), handle: async ({ operator: { name } }) => ({ name }) }

async function both (t: Test, limits: Record<string, number>): Promise<{ bench: TestBroker, house: AdminHouse }> {
  const bench = await startTestBroker(t, { limits })
  return { bench, house: await startAdminHouse(t, [whoami], { handshakes: bench.broker.handshakes }) }
}

test('an address begins so many handshakes a second; who waits in vain is closed, counted and written down [C7] [C20]', async (t) => {
  const { bench, house } = await both(t, { handshakesPerAddress: 1, handshakeWaitMs: 500 })
  let begun = 0
  let closed = 0
  for (let n = 0; n < 12; n++) {
    const socket = connect({ ...house.server.address, ca: house.pki.ca }).on('error', () => {})
    socket.once('secureConnect', () => { begun++ }).once('close', () => { closed++ })
    t.teardown(() => { socket.destroy() })
  }
  await eventually(() => closed === 12, 'all to be refused: none has a certificate')
  t.ok(begun < 12, `${begun} of 12 handshakes were begun`)
  const told = house.events.filter(({ reason }) => reason === 'handshake: handshake-busy')
  t.equal(told.length, 12 - begun)
  t.match(told[0], { type: 'admin', outcome: 'serious-failure', agent: { id: 'unknown', address: '127.0.0.1' } })
  t.equal(house.events.length, 12, 'those too whose handshake failed')
  t.ok(house.events.every(({ agent: { address } }) => address === '127.0.0.1'))
  t.notOk(bench.broker.stats().refused['handshake-busy'], 'not as a refusal of the broker')
})

test('each handshake gives its place back, and an address that is kept out of the broker may still administer [C20]', async (t) => {
  const { bench, house } = await both(t, { authenticationFailures: 3, maxHandshakes: 1 })
  for (let n = 0; n < 5; n++) await bench.tls(bench.pki.bad.foreignCa)
  await eventually(() => bench.broker.stats().banned.addresses === 1)
  const alice = await house.person('alice', 'operator')
  for (let n = 0; n < 3; n++) t.equal((await house.ask(alice, 'GET', '/v1/whoami')).status, 200)
  t.equal(bench.broker.stats().handshakes.running, 0)
})
