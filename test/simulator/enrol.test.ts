import { X509Certificate } from 'node:crypto'
import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'tap'
import { createEnrolment } from '../../simulator/enrol.ts'
import { deviceId } from '../../simulator/fleet.ts'
import { createPki } from '../fixtures/pki.ts'

test('a device keeps its key, is signed once, and is signed anew by another authority', async (t) => {
  const directory = t.testdir()
  const id = deviceId(1, 0)
  const pki = await createPki(t)
  const enrol = await createEnrolment({ directory, authority: pki.authority })
  const first = await enrol(id)
  const certificate = new X509Certificate(first.certPem)
  t.equal(certificate.subjectAltName, `URI:urn:uuid:${id}`)
  t.equal(statSync(join(directory, 'devices', id, 'device.key')).mode & 0o777, 0o600)
  t.equal(statSync(join(directory, 'devices', id)).mode & 0o777, 0o700)
  t.notMatch(readFileSync(join(directory, 'devices', id, 'device.crt'), 'utf8'), /PRIVATE/)

  t.strictSame(await (await createEnrolment({ directory, authority: pki.authority }))(id), first, 'found again at the next start')
  const other = await createEnrolment({ directory, authority: (await createPki(t)).authority })
  t.not(new X509Certificate((await other(id)).certPem).fingerprint256, certificate.fingerprint256)
})
