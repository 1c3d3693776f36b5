// Whom the audit trail names when EST refuses: the device that a certificate of ours (or of a maker) proves, also where it is no good any
// more; what is only claimed is no more than a claim. Real TLS.
import { randomUUID } from 'node:crypto'
import { test } from 'tap'
import { createDeviceKeyAndRequest } from '../../../certs/request.ts'
import { createMaker, issuedIn, startEst, trustMaker } from '../../fixtures/est.ts'

test('a proven certificate names agent and entity, valid, revoked or past its end', async (t) => {
  const { enrol, events, pki, server } = await startEst(t)
  const device = await pki.device()
  const proven = (id: string, reason: string): void => {
    t.match(events.at(-1), { subtype: 'enrolment-refused', reason, agent: { id, role: 'device', certificateSerial: /^[0-9A-F]+$/ }, entity: { type: 'device', id } }, reason)
  }
  const { requestPem: pem, keyPem: key } = await createDeviceKeyAndRequest(device.id)
  const renewed = { id: device.id, key, cert: issuedIn(await enrol('simplereenroll', { identity: device, pem })).toString() }
  await enrol('simplereenroll', { identity: renewed, pem })
  proven(device.id, 'same-key')
  await enrol('simpleenroll', { identity: device })
  proven(device.id, 'wrong-operation')
  for (const [kind, reason] of [['revoked', 'CERT_REVOKED'], ['expired', 'CERT_HAS_EXPIRED'], ['serverAuthOnly', 'INVALID_PURPOSE'], ['noEku', 'not for client authentication']] as const) {
    await enrol('simplereenroll', { identity: pki.bad[kind] })
    proven(pki.bad[kind].id, reason)
  }
  // revoked with no list read since
  const gone = await pki.device()
  await pki.authority.revoke(gone.id, 'keyCompromise')
  await enrol('simplereenroll', { identity: gone })
  proven(gone.id, 'CERT_REVOKED')

  const maker = createMaker()
  await trustMaker(pki.dir, maker)
  await server.reloadCertificates()
  const birth = maker.birth()
  await enrol('simplereenroll', { identity: birth })
  proven(birth.id, 'wrong-operation')
})

test('what is only claimed stays a claim: a user name, a foreign certificate, two names', async (t) => {
  const { enrol, events, pki } = await startEst(t)
  const [device, claimed] = [await pki.device(), randomUUID()]
  const token = `pgt_0000000000000000_${'A'.repeat(43)}`
  await enrol('simpleenroll', { auth: `${claimed}:${token}` })
  t.match(events.at(-1), { agent: { id: 'unknown' }, detail: { claims: claimed } })
  t.notOk(events.at(-1)?.entity)
  await enrol('simpleenroll', { auth: `${claimed}:${token}`, identity: device })
  t.match(events.at(-1), { agent: { id: device.id }, entity: { type: 'device', id: device.id }, detail: { claims: claimed } }, 'one device that asks for another')
  for (const kind of ['foreignCa', 'selfSigned'] as const) {
    await enrol('simplereenroll', { identity: pki.bad[kind] })
    t.match(events.at(-1), { agent: { id: 'unknown' }, detail: { claims: pki.bad[kind].id } }, kind)
    t.notOk(events.at(-1)?.entity)
  }
  for (const kind of ['twoUriSans', 'noUriSan'] as const) {
    await enrol('simplereenroll', { identity: pki.bad[kind] })
    t.match(events.at(-1), { agent: { id: 'unknown' } }, kind)
    t.notOk(events.at(-1)?.entity)
  }
})

test('a flood of a device is told in its name', async (t) => {
  const { enrol, events, pki } = await startEst(t, { limits: { rate: { burst: 10_000, perSecond: 1_000, refusalCost: 10 }, deviceRate: { burst: 1, perSecond: 0.001, refusalCost: 1 } } })
  const device = await pki.device()
  const statuses = [await enrol('simplereenroll', { identity: device }), await enrol('simplereenroll', { identity: device }), await enrol('simplereenroll', { identity: device })].map(({ status }) => status)
  t.strictSame(statuses, [200, 429, 429])
  t.match(events.filter(({ reason }) => reason === 'rate'), [{ agent: { id: device.id }, entity: { id: device.id } }])
})
