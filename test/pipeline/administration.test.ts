// Administration of a whole Pulsegate: what an operator does over HTTPS takes effect on the live session and the registry, and stands in
// the chained audit trail, refused requests too.
import { randomUUID } from 'node:crypto'
import { test, type Test } from 'tap'
import { certsCommand } from '../../cli/certs.ts'
import { type ServeOptions } from '../../cli/serve.ts'
import { uplinkTopic } from '../../schemas/topics.ts'
import { agedOperatorLists, askAdmin, issuePerson, type Person, type Reply } from '../fixtures/admin.ts'
import { connectDevice, type TestDevice } from '../fixtures/mqtt-device.ts'
import { createPki, type DeviceIdentity } from '../fixtures/pki.ts'
import { startPulsegate } from '../fixtures/pulsegate.ts'
import { needsServices } from '../services/skip.ts'

async function startAdministered (t: Test, overrides: Partial<ServeOptions> = {}, before: (directory: string) => Promise<void> = async () => {}) {
  const pki = await createPki(t)
  const alice = await issuePerson(pki.dir, 'alice', 'operator')
  const carol = await issuePerson(pki.dir, 'carol', 'auditor')
  const victor = await issuePerson(pki.dir, 'victor', 'viewer')
  await before(pki.dir)
  const running = await startPulsegate(t, { certs: pki.dir, admin: { host: '127.0.0.1', port: 0 }, ...overrides })
  const { service } = running
  return {
    ...running,
    pki,
    alice,
    carol,
    victor,
    async ask (who: Person, method: string, path: string, body?: object): Promise<Reply> {
      if (service.admin === null) throw new Error('no administration')
      return askAdmin(service.admin, pki.ca, who, method, path, body)
    },
    connect: ({ id, key, cert }: DeviceIdentity): Promise<TestDevice> => connectDevice(service.url, id, pki.ca, { keyPem: key, certPem: cert })
  }
}

/** tap's time-out ends it. */
async function until (condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 20))
}

test('an operator suspends a device over HTTPS: its session ends, the registry says so, and so does the audit trail [C20] [C10]', needsServices, async (t) => {
  const { service, reader, pki, alice, carol, victor, ask, connect } = await startAdministered(t)
  const identity = await pki.device()
  const { id } = identity
  const device = await connect(identity)
  t.teardown(() => device.end())
  t.equal(service.broker.stats().sessions, 1)
  t.match((await ask(victor, 'GET', '/v1/devices')).body, { devices: [{ id, state: 'active' }] })
  t.equal((await ask(victor, 'POST', `/v1/devices/${id}/state`, { state: 'suspended' })).status, 403, 'a viewer may not')
  t.equal((await ask(alice, 'POST', `/v1/devices/${id}/state`, { state: 'asleep' })).status, 400)
  t.match(await ask(alice, 'POST', `/v1/devices/${id}/state`, { state: 'suspended', purpose: 'ticket 4711' }), { status: 200, body: { id, state: 'suspended' } })
  await until(() => service.broker.stats().sessions === 0)
  const { rows } = await reader.query<{ state: string }>('SELECT state FROM device WHERE id = $1', [id])
  t.equal(rows[0]?.state, 'suspended')

  const trail = await ask(carol, 'GET', '/v1/audit?type=admin')
  const events = trail.body['events'] as Array<{ agent: string, outcome: string, entity: string, reason: string | null }>
  const ofDevice = events.filter(({ entity }) => entity === id).map(({ agent, outcome, reason }) => [agent, outcome, reason]).reverse()
  t.strictSame(ofDevice, [['victor', 'serious-failure', 'right'], ['alice', 'success', null], ['alice', 'minor-failure', 'REQUEST'], ['alice', 'success', null]])
  t.equal((await ask(alice, 'GET', '/v1/audit')).status, 403, 'an operator does not read the trail')
  const whys = await reader.query('SELECT type, subtype, agent_role AS role FROM audit WHERE purpose = $1 AND entity = $2 ORDER BY number', ['ticket 4711', id])
  t.strictSame(whys.rows, [{ type: 'admin', subtype: 'request', role: 'operator' }, { type: 'device', subtype: 'state-changed', role: 'operator' }], 'why stands with the request and with the change')
  const readers = await reader.query("SELECT DISTINCT agent, agent_role AS role FROM audit WHERE type = 'admin' AND agent IN ('carol', 'victor') ORDER BY agent")
  t.strictSame(readers.rows, [{ agent: 'carol', role: 'auditor' }, { agent: 'victor', role: 'viewer' }], 'each in the role of the certificate')
})

test('`up` renews an operators\' list that has ended while it was not running', needsServices, async (t) => {
  const { alice, ask, service, pki, reader } = await startAdministered(t, {}, (directory) => agedOperatorLists(directory, 31))
  t.equal((await ask(alice, 'GET', '/v1/whoami')).status, 200)
  t.same(service.health.report().checks['administration'], { ready: true })
  // who is made an operator is told in the operators' own folder, and stands in the trail
  await certsCommand(() => {}).parseAsync(['operator', 'dora', '--role', 'viewer', '--dir', pki.dir], { from: 'user' })
  const issued = async () => (await reader.query("SELECT FROM audit WHERE type = 'certificate' AND subtype = 'issued' AND detail ->> 'viewer' = 'dora'")).rows
  while ((await issued()).length === 0) await new Promise((resolve) => setTimeout(resolve, 50))
})

test('a retired device stays retired, and each change stands in the trail in the name of who made it [C20]', needsServices, async (t) => {
  const { service, reader, alice, ask } = await startAdministered(t)
  const id = randomUUID()
  await service.registry.register([{ id }])
  const setState = (state: string): Promise<Reply> => ask(alice, 'POST', `/v1/devices/${id}/state`, { state })
  const stateOf = async (): Promise<unknown> => (await reader.query<{ state: string }>('SELECT state FROM device WHERE id = $1', [id])).rows[0]?.state
  t.match(await setState('suspended'), { status: 200, body: { id, state: 'suspended' } })
  t.match(await setState('active'), { status: 200, body: { id, state: 'active' } })
  t.match(await setState('retired'), { status: 200 })
  t.match(await setState('active'), { status: 409, body: { error: { code: 'DEVICE_STATE_REFUSED' } } })
  t.match(await setState('pending'), { status: 400, body: { error: { message: /one of active, suspended, retired/ } } })
  t.equal(await stateOf(), 'retired')
  t.match(await ask(alice, 'POST', `/v1/devices/${randomUUID()}/state`, { state: 'active' }), { status: 404, body: { error: { code: 'DEVICE_UNKNOWN' } } })
  const changes = async () => (await reader.query<{ agent: string, role: string, serial: string, address: string, outcome: string, to: string | null }>(
    `SELECT agent, agent_role AS role, certificate_serial AS serial, agent_address AS address, outcome, detail ->> 'to' AS to
     FROM audit WHERE type = 'device' AND subtype = 'state-changed' AND entity = $1 ORDER BY number`, [id])).rows
  while ((await changes()).length < 4) await new Promise((resolve) => setTimeout(resolve, 20)) // what is refused is written a little later
  const by = { agent: 'alice', role: 'operator', serial: alice.serial, address: '127.0.0.1' }
  t.match(await changes(), [
    { ...by, outcome: 'success', to: 'suspended' }, { ...by, outcome: 'success', to: 'active' }, { ...by, outcome: 'success', to: 'retired' }, { ...by, outcome: 'minor-failure' }
  ])
})

test('an operator lets a device in again that was kept out as flapping [C20] [C22]', needsServices, async (t) => {
  const { service, pki, alice, victor, ask, connect } = await startAdministered(t, { limits: { flappingSessions: 1, flappingFirstBanMs: 600_000 } })
  const identity = await pki.device()
  const { id } = identity
  for (const round of [1, 2]) {
    const device = await connect(identity)
    device.client.publish(uplinkTopic(randomUUID(), 'telemetry'), 'not mine', { qos: 1 }, () => {})
    await until(() => service.broker.stats().refused['topic-foreign'] === round && service.broker.stats().sessions === 0)
    await device.end()
  }
  await t.rejects(connect(identity), 'banned')
  const path = `/v1/devices/${id}/pardon`
  t.equal((await ask(victor, 'POST', path)).status, 403, 'a viewer may not')
  t.match(await ask(alice, 'POST', path), { status: 200, body: { id, pardoned: true } })
  t.match(await ask(alice, 'POST', path), { status: 200, body: { id, pardoned: false } }, 'there is nothing more to lift')
  const device = await connect(identity)
  await device.end()
})

test('what is asked for a device that is not registered is answered 404, whatever it is; one that is away has nothing to end', needsServices, async (t) => {
  const { service, alice, ask } = await startAdministered(t)
  const [known, unknown] = [randomUUID(), randomUUID()]
  await service.registry.register([{ id: known }])
  for (const [what, body] of [['state', { state: 'active' }], ['disconnect', undefined], ['pardon', undefined], ['command', { hex: 'a0' }]] as const) {
    t.match(await ask(alice, 'POST', `/v1/devices/${unknown}/${what}`, body), { status: 404, body: { error: { code: 'DEVICE_UNKNOWN', remedy: /./ } } }, what)
  }
  t.match(await ask(alice, 'POST', `/v1/devices/${known}/disconnect`, { purpose: 'ticket 4711' }), { status: 200, body: { id: known, ended: false } })
  t.match(await ask(alice, 'POST', `/v1/devices/${known}/pardon`), { status: 200, body: { id: known, pardoned: false } })
  t.match(await ask(alice, 'POST', `/v1/devices/${known}/command`, { hex: 'a0' }), { status: 409, body: { error: { code: 'DEVICE_AWAY' } } })
  for (const what of ['disconnect', 'pardon']) t.match(await ask(alice, 'POST', `/v1/devices/${known}/${what}`, { purpse: 'a slip' }), { status: 400, body: { error: { code: 'REQUEST', message: /there are: purpose$/ } } }, what)
})
