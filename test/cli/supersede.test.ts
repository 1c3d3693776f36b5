// Which brokers revoke older certificates, and which only refuse them. test/pipeline/renewal.test.ts has devices live through it.
import { randomUUID } from 'node:crypto'
import { rm } from 'node:fs/promises'
import { test } from 'tap'
import { supersedeOlder } from '../../cli/supersede.ts'
import { type AuditEvent, type AuditTrail } from '../../runtime/audit.ts'
import { Lifecycle } from '../../runtime/lifecycle.ts'
import { quietObservability } from '../../runtime/observability.ts'
import { createPki } from '../fixtures/pki.ts'

test('older certificates are revoked where the policy wants it and the authority\'s keys are at hand; a broker without them starts all the same', async (t) => {
  const { authority, dir } = await createPki(t)
  const observability = quietObservability()
  const events: AuditEvent[] = []
  const audit: AuditTrail = { record: (event) => { events.push(event) } }
  const lifecycle = new Lifecycle({ log: observability.log })
  const context = { lifecycle, observability }
  const id = randomUUID()
  const old = await authority.issueDevice(id)
  const renewed = await authority.issueDevice(id)
  const accepted = (serial: string): AuditEvent => ({ type: 'connection', subtype: 'accepted', action: 'E', outcome: 'success', agent: { id, role: 'device', certificateSerial: serial } })

  t.equal(await supersedeOlder({ certs: dir, clonePolicy: 'report', audit }, context), audit)
  const trail = await supersedeOlder({ certs: dir, clonePolicy: 'refuse', audit }, context)
  trail.record(accepted(old.serial))
  trail.record(accepted(renewed.serial))
  trail.record(accepted(renewed.serial))
  await lifecycle.close()
  t.match(events.slice(0, 3), [accepted(old.serial), accepted(renewed.serial), accepted(renewed.serial)], 'what the broker tells arrives')
  t.match(events.slice(3), [{ type: 'certificate', subtype: 'revoked', reason: 'superseded', entity: { id: old.serial }, detail: { device: id } }])
  t.match(await authority.show(id), [{ serial: old.serial, revoked: { reason: 'superseded' } }, { serial: renewed.serial, revoked: undefined }])

  await rm(authority.paths.issuingKey)
  t.equal(await supersedeOlder({ certs: dir, clonePolicy: 'refuse', audit }, context), audit)
})
