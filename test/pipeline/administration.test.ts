// Administration of a whole Pulsegate: what an operator does over HTTPS takes effect on the live session and the registry, and stands in
// the chained audit trail, refused requests too.
import { readFile } from 'node:fs/promises'
import { request as httpsRequest } from 'node:https'
import { text } from 'node:stream/consumers'
import { test } from 'tap'
import { issueOperator } from '../../certs/operators.ts'
import { type OperatorRole } from '../../runtime/operator-roles.ts'
import { connectDevice } from '../fixtures/mqtt-device.ts'
import { createPki } from '../fixtures/pki.ts'
import { startPulsegate } from '../fixtures/pulsegate.ts'
import { needsServices } from '../services/skip.ts'

test('an operator suspends a device over HTTPS: its session ends, the registry says so, and so does the audit trail [C20] [C10]', needsServices, async (t) => {
  const pki = await createPki(t)
  const identity = async (name: string, role: OperatorRole): Promise<{ key: string, cert: string }> => {
    const { keyFile, chainPem } = await issueOperator(pki.dir, { name, role })
    return { key: await readFile(keyFile ?? '', 'utf8'), cert: chainPem }
  }
  const [alice, carol, victor] = [await identity('alice', 'operator'), await identity('carol', 'auditor'), await identity('victor', 'viewer')]
  const { service, reader } = await startPulsegate(t, { certs: pki.dir, admin: { host: '127.0.0.1', port: 0 } })
  const ask = async (who: { key: string, cert: string }, method: string, path: string, body?: object): Promise<{ status: number, body: Record<string, unknown> }> => new Promise((resolve, reject) => {
    const request = httpsRequest({ ...service.admin?.address, method, path, ca: pki.ca, agent: false, ...who, headers: { 'content-type': 'application/json' } }, (response) => {
      text(response).then((all) => { resolve({ status: response.statusCode ?? 0, body: JSON.parse(all) as Record<string, unknown> }) }, reject)
    }).on('error', reject)
    request.end(body === undefined ? undefined : JSON.stringify(body))
  })

  const { id, key, cert } = await pki.device()
  const device = await connectDevice(service.url, id, pki.ca, { keyPem: key, certPem: cert })
  t.teardown(() => device.end())
  t.equal(service.broker.stats().sessions, 1)
  t.match((await ask(victor, 'GET', '/v1/devices')).body, { devices: [{ id, state: 'active' }] })
  t.equal((await ask(victor, 'POST', `/v1/devices/${id}/state`, { state: 'suspended' })).status, 403, 'a viewer may not')
  t.equal((await ask(alice, 'POST', `/v1/devices/${id}/state`, { state: 'asleep' })).status, 400)
  t.match(await ask(alice, 'POST', `/v1/devices/${id}/state`, { state: 'suspended' }), { status: 200, body: { id, state: 'suspended' } })
  while (service.broker.stats().sessions > 0) await new Promise((resolve) => setTimeout(resolve, 20)) // tap's time-out ends it
  const { rows } = await reader.query<{ state: string }>('SELECT state FROM device WHERE id = $1', [id])
  t.equal(rows[0]?.state, 'suspended')

  const trail = await ask(carol, 'GET', '/v1/audit?type=admin')
  const events = trail.body['events'] as Array<{ agent: string, outcome: string, entity: string, reason: string | null }>
  const ofDevice = events.filter(({ entity }) => entity === id).map(({ agent, outcome, reason }) => [agent, outcome, reason]).reverse()
  t.strictSame(ofDevice, [['victor', 'serious-failure', 'right'], ['alice', 'success', null], ['alice', 'minor-failure', 'REQUEST'], ['alice', 'success', null]])
  t.equal((await ask(alice, 'GET', '/v1/audit')).status, 403, 'an operator does not read the trail')
})
