// The administration address over real TLS: whom it lets in, who may do what, what is written down, and that nothing is done that
// cannot be written down.
import { once } from 'node:events'
import { connect } from 'node:net'
import { test } from 'tap'
import { openAuthority } from '../../certs/authority.ts'
import { operatorsDirectory } from '../../certs/operators.ts'
import { adminRights, mayDo, type AdminRight } from '../../admin/rights.ts'
import { type AdminRoute } from '../../admin/routes.ts'
import { operatorRoles, type OperatorRole } from '../../runtime/operator-roles.ts'
import { PulsegateError } from '../../runtime/errors.ts'
import { loadAdminTls, routesNoting, startAdminHouse } from '../fixtures/admin.ts'

// written by hand: what the table must say
const expected: Record<OperatorRole, AdminRight[]> = {
  viewer: ['status:read', 'devices:read'],
  operator: ['status:read', 'devices:read', 'devices:change', 'sessions:end', 'commands:send'],
  auditor: ['audit:read']
}

test('each role may do what the table says, and everything asked is written down [C20]', async (t) => {
  const reached: string[] = []
  const { person, ask, events } = await startAdminHouse(t, routesNoting(reached))
  for (const role of operatorRoles) {
    const who = await person(`a-${role}`, role)
    for (const right of Object.keys(adminRights) as AdminRight[]) {
      const allowed = expected[role].includes(right)
      t.equal(mayDo(role, right), allowed, `${role} ${right}`)
      const reply = await ask(who, 'POST', `/v1/${right.replace(':', '-')}/x1`)
      t.equal(reply.status, allowed ? 200 : 403, `${role} asks for ${right}`)
      t.equal(reached.includes(`a-${role} ${right}`), allowed, 'reached only when allowed')
      const event = events.at(-1)
      t.match(event, {
        type: 'admin',
        outcome: allowed ? 'success' : 'serious-failure',
        agent: { id: `a-${role}`, role, certificateSerial: who.serial, address: '127.0.0.1' },
        entity: { type: 'device', id: 'x1' },
        detail: { method: 'POST', role }
      })
      t.equal(event?.requestId, reply.headers['x-request-id'])
    }
  }
})

test('only a living certificate of the operators\' authority gets in [C20]', async (t) => {
  const reached: string[] = []
  const { pki, person, ask, events, server } = await startAdminHouse(t, routesNoting(reached))
  const path = '/v1/devices-change/x1'
  for (const [name, who] of Object.entries({ nobody: undefined, device: await pki.device(), foreign: pki.bad.foreignCa, selfSigned: pki.bad.selfSigned })) {
    await t.rejects(ask(who, 'POST', path), name)
  }
  const plain = connect(server.address.port, server.address.host).on('error', () => {})
  plain.end('GET / HTTP/1.1\r\n\r\n')
  await once(plain.resume(), 'close')

  const alice = await person('alice', 'operator')
  for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) t.equal((await ask(alice, 'POST', path, undefined, { maxVersion })).status, 200, maxVersion)
  await t.rejects(ask(alice, 'POST', path, undefined, { minVersion: 'TLSv1.1', maxVersion: 'TLSv1.1', ciphers: 'ALL:@SECLEVEL=0' }))
  t.equal((await ask(alice, 'POST', path, undefined, { maxVersion: 'TLSv1.2', ciphers: 'ECDHE-ECDSA-CHACHA20-POLY1305' })).status, 200, 'every suite of our listeners')
  const authority = await openAuthority(operatorsDirectory(pki.dir))
  await authority.revoke('alice', 'keyCompromise')
  server.replace(await loadAdminTls(pki))
  await t.rejects(ask(alice, 'POST', path), 'revoked')
  t.equal(reached.length, 3)
  t.ok(events.filter(({ outcome, reason }) => outcome === 'serious-failure' && reason?.startsWith('handshake')).length >= 5, 'refused handshakes are written down')
})

test('what cannot be written down is not done [C20]', async (t) => {
  const reached: string[] = []
  const { person, ask, audit } = await startAdminHouse(t, routesNoting(reached))
  const alice = await person('alice', 'operator')
  audit.unavailable = true
  const reply = await ask(alice, 'POST', '/v1/devices-change/x1')
  t.equal(reply.status, 503)
  t.equal(reply.body.error?.code, 'AUDIT_UNAVAILABLE')
  t.strictSame(reached, [])
})

test('too many requests of one are told to wait, another is not [C20]', async (t) => {
  const reached: string[] = []
  const { person, ask, events } = await startAdminHouse(t, routesNoting(reached), { rate: { perSecond: 0.001, burst: 2 } })
  const [alice, bob] = [await person('alice', 'operator'), await person('bob', 'operator')]
  const path = '/v1/devices-change/x1'
  t.strictSame([(await ask(alice, 'POST', path)).status, (await ask(alice, 'POST', path)).status], [200, 200])
  const refused = await ask(alice, 'POST', path)
  t.equal(refused.status, 429)
  t.ok(Number(refused.headers['retry-after']) > 0)
  t.match(events.at(-1), { outcome: 'serious-failure', reason: 'rate' })
  t.equal((await ask(bob, 'POST', path)).status, 200)
})

test('an error says what to do and never shows where it came from [C20]', async (t) => {
  const route = (path: string, handle: AdminRoute['handle']): AdminRoute =>
    ({ method: 'POST', path, right: 'devices:change', action: 'U', entity: () => ({ type: 'device', id: '1' }), handle })
  const { person, ask, events } = await startAdminHouse(t, [
    route('/v1/ours', async () => { throw new PulsegateError('DEVICE_UNKNOWN', 'device 1 is not registered') }),
    route('/v1/bug', async () => { throw new Error('secret detail of the inside') })
  ])
  const alice = await person('alice', 'operator')
  const ours = await ask(alice, 'POST', '/v1/ours')
  t.equal(ours.status, 404)
  t.equal(ours.body.error?.code, 'DEVICE_UNKNOWN')
  const bug = await ask(alice, 'POST', '/v1/bug')
  t.equal(bug.status, 500)
  t.notMatch(bug.text, /secret|at .*\.[jt]s|stack/)
  t.match(events.at(-1), { outcome: 'minor-failure', reason: 'INTERNAL' })
  for (const [method, path, status] of [['GET', '/v1/ours', 405], ['POST', '/v1/nothing', 404], ['POST', '/v1/ours/../bug', 500], ['DELETE', '/', 404], ['POST', '/v1/%6furs', 404]] as const) {
    t.equal((await ask(alice, method, path)).status, status, `${method} ${path}`)
  }
  t.equal((await ask(alice, 'POST', '/v1/ours', '{"broken')).status, 400)
  t.equal((await ask(alice, 'POST', '//[')).status, 404, 'what is no URL')
  t.match(events.at(-1), { outcome: 'serious-failure', reason: 'no-such-route', agent: { id: 'alice' } })
})
