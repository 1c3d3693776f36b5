// The administration address over real TLS: whom it lets in, who may do what, what is written down, and that nothing is done that
// cannot be written down.
import { connect, createServer, type AddressInfo } from 'node:net'
import { once } from 'node:events'
import { type IncomingMessage } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { text } from 'node:stream/consumers'
import { connect as tlsConnect } from 'node:tls'
import { test, type Test } from 'tap'
import { openAuthority } from '../../certs/authority.ts'
import { operatorsDirectory } from '../../certs/operators.ts'
import { adminRights, mayDo, type AdminRight } from '../../admin/rights.ts'
import { type AdminRoute } from '../../admin/routes.ts'
import { operatorRoles, type OperatorRole } from '../../runtime/operator-roles.ts'
import { PulsegateError } from '../../runtime/errors.ts'
import { loadAdminTls, startAdminHouse, type AdminHouse } from '../fixtures/admin.ts'

/** One route for each right, that notes that it was reached. */
function routesNoting (reached: string[]): AdminRoute[] {
  return (Object.keys(adminRights) as AdminRight[]).map((right) => ({
    method: 'POST',
    path: `/v1/${right.replace(':', '-')}/:id`,
    right,
    action: 'E',
    entity: ({ id = '' }) => ({ type: 'device', id }),
    async handle ({ operator }) {
      reached.push(`${operator.name} ${right}`)
      return { done: right }
    }
  }))
}

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
        agent: { id: `a-${role}`, role: 'operator', certificateSerial: who.serial, address: '127.0.0.1' },
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

test('a body that is too long gets 413 and the connection an orderly end, and so does one that nobody reads [C7] [C20]', async (t) => {
  const { person, server, pki, events } = await startAdminHouse(t, routesNoting([]))
  const alice = await person('alice', 'operator')
  /** Sends the head and all of the body, whatever is answered meanwhile; gives the answer and how the connection ended. */
  const send = async (path: string, length: number, headers: Record<string, string | number>): Promise<{ text: string, error: string | null }> => {
    const socket = tlsConnect({ ...server.address, ca: pki.ca, key: alice.key, cert: alice.cert })
    await once(socket, 'secureConnect')
    let error: string | null = null
    socket.on('error', (fault: NodeJS.ErrnoException) => { error = fault.code ?? 'unknown' })
    const said = text(socket).catch(() => '')
    const chunked = headers['transfer-encoding'] === 'chunked'
    socket.write(`POST ${path} HTTP/1.1\r\nhost: admin\r\ncontent-type: application/json\r\n${Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`)
    for (let left = length; left > 0; left -= 10_000) {
      socket.write(chunked ? `2710\r\n${'a'.repeat(10_000)}\r\n` : 'a'.repeat(10_000))
      await new Promise((resolve) => setTimeout(resolve, 2))
    }
    if (chunked) socket.write('0\r\n\r\n')
    return { text: await said, error }
  }
  for (const [name, path, status, headers] of [
    ['announced', '/v1/devices-change/x1', 413, { 'content-length': 300_000 }],
    ['in chunks', '/v1/devices-change/x1', 413, { 'transfer-encoding': 'chunked' }],
    ['without a right', '/v1/audit-read/x1', 403, { 'content-length': 300_000 }]
  ] as const) {
    const reply = await send(path, 300_000, headers)
    t.match(reply.text, new RegExp(`^HTTP/1.1 ${status} `), name)
    t.match(reply.text, /connection: close/i)
    t.equal(reply.error, null, `${name}: no reset`)
  }
  t.match(events.filter(({ reason }) => reason === 'REQUEST'), [{ outcome: 'minor-failure' }, { outcome: 'minor-failure' }])
  const endless = await send('/v1/devices-change/x1', 4_000_000, { 'content-length': 100_000_000 })
  t.ok(endless.error !== null || endless.text !== '', 'who does not stop is cut off')
})
