// Operators who are revoked while they are at it: a handshake begun before, a request under way; and that nobody else notices. Real TLS.
import { once } from 'node:events'
import { type IncomingMessage } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { connect, createServer, type AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { test, type Test } from 'tap'
import { openAuthority } from '../../certs/authority.ts'
import { operatorsDirectory } from '../../certs/operators.ts'
import { type AuditEvent } from '../../runtime/audit.ts'
import { loadAdminTls, routesNoting, startAdminHouse, type AdminHouse } from '../fixtures/admin.ts'

/** Takes back what `name` has, and has the server read the lists again. */
async function revoke ({ pki, server }: AdminHouse, name: string): Promise<void> {
  await (await openAuthority(operatorsDirectory(pki.dir))).revoke(name, 'keyCompromise')
  server.replace(await loadAdminTls(pki))
}

/** Lets a client's first words through, and all that is said to it, but no more of the client's until it is told to. */
async function startHolding (t: Test, to: AdminHouse['server']['address']): Promise<{ port: number, answered: Promise<void>, release: () => void }> {
  const { promise: held, resolve: release } = deferred()
  const { promise: answered, resolve: answer } = deferred()
  const proxy = createServer((near) => {
    const far = connect(to.port, to.host)
    for (const socket of [near, far]) socket.on('error', () => {})
    far.once('data', answer).pipe(near)
    near.once('data', (hello) => {
      near.pause()
      far.write(hello)
      held.then(() => near.pipe(far), () => {})
    })
  }).listen(0, '127.0.0.1')
  t.teardown(() => { proxy.close() })
  await once(proxy, 'listening')
  return { port: (proxy.address() as AddressInfo).port, answered, release }
}

function deferred (): { promise: Promise<void>, resolve: () => void } {
  let resolve = (): void => {}
  return { promise: new Promise<void>((_resolve) => { resolve = _resolve }), resolve }
}

test('a handshake begun before the revocation does not get in after it [C20]', async (t) => {
  const reached: string[] = []
  const house = await startAdminHouse(t, routesNoting(reached))
  const alice = await house.person('alice', 'operator')
  const { port, answered, release } = await startHolding(t, house.server.address)
  const asked = house.ask(alice, 'POST', '/v1/devices-change/x1', undefined, { port }).catch(() => null)
  await answered // by the lists of that moment
  await revoke(house, 'alice')
  release()
  t.not((await asked)?.status, 200)
  t.strictSame(reached, [])
})

test('a revocation ends what an operator has open, and nothing of another\'s [C20]', async (t) => {
  const { promise: gone, resolve: go } = deferred()
  const reached: string[] = []
  const house = await startAdminHouse(t, [{
    method: 'POST',
    path: '/v1/slow',
    right: 'devices:change',
    action: 'U',
    entity: () => ({ type: 'device', id: '1' }),
    async handle ({ operator: { name } }) {
      reached.push(name)
      await gone
    }
  }])
  const [alice, bob] = [await house.person('alice', 'operator'), await house.person('bob', 'operator')]
  const bobs = house.ask(bob, 'POST', '/v1/slow')
  while (reached.length === 0) await new Promise((resolve) => setTimeout(resolve, 5)) // tap's time-out ends it

  // alice has sent the head of a request, and sends its body when she is revoked
  const request = httpsRequest({
    ...house.server.address, method: 'POST', path: '/v1/slow', ca: house.pki.ca, agent: false, key: alice.key, cert: alice.cert, headers: { 'content-type': 'application/json', 'content-length': 2, expect: '100-continue' }
  })
  const answered = once(request, 'response') as Promise<[IncomingMessage]>
  request.flushHeaders()
  await once(request, 'continue')
  await revoke(house, 'alice')
  request.end('{}')
  const [response] = await answered
  t.equal(response.statusCode, 403)
  t.match(await text(response), /CERTIFICATE/)
  t.strictSame(reached, ['bob'], 'alice reaches nothing')
  t.match(house.events.at(-1), { outcome: 'serious-failure', reason: 'certificate', agent: { id: 'alice', certificateSerial: alice.serial } })
  go()
  t.equal((await bobs).status, 200, 'what bob has under way ends well')
})

test('revoked while the request is written down: nothing is done, and that is written down too [C20]', async (t) => {
  const reached: string[] = []
  const events: AuditEvent[] = []
  const [beginning, written] = [deferred(), deferred()]
  const house = await startAdminHouse(t, routesNoting(reached), {
    audit: {
      record (event) { events.push(event) },
      async recordNow (event) { // as when the database takes its time
        beginning.resolve()
        await written.promise
        events.push(event)
      }
    }
  })
  const alice = await house.person('alice', 'operator')
  const asked = house.ask(alice, 'POST', '/v1/commands-send/x1', { purpose: 'ticket 4711' })
  await beginning.promise
  await revoke(house, 'alice')
  written.resolve()
  t.match(await asked, { status: 403, body: { error: { code: 'CERTIFICATE' } } })
  t.strictSame(reached, [])
  t.match(events, [
    { outcome: 'success', agent: { id: 'alice' }, purpose: 'ticket 4711' },
    { outcome: 'minor-failure', reason: 'CERTIFICATE', agent: { id: 'alice', certificateSerial: alice.serial }, purpose: 'ticket 4711' }
  ])
})
