import { generateKeyPairSync, X509Certificate } from 'node:crypto'
import { test } from 'tap'
import { createDeviceKeyAndRequest, publicKeyOfRequest } from '../../certs/request.ts'
import { createPki } from '../fixtures/pki.ts'

const device = '7b1f4a52-1c3d-4e5f-8a9b-0c1d2e3f4a5b'
const victim = '00000000-0000-4000-8000-000000000001'

test('the authority takes nothing from a request but the public key', async (t) => {
  const { authority } = await createPki(t)
  const { requestPem } = await createDeviceKeyAndRequest(victim) // subject and SAN claim to be the victim
  const { certPem } = await authority.signRequest(requestPem, { id: device })
  const certificate = new X509Certificate(certPem)
  t.equal(certificate.subject, `CN=${device}`)
  t.equal(certificate.subjectAltName, `URI:urn:uuid:${device}`)
  t.notMatch(certificate.toLegacyObject(), victim)
  t.same(certificate.publicKey.export({ type: 'spki', format: 'der' }),
    (await publicKeyOfRequest(requestPem)).export({ type: 'spki', format: 'der' }))
})

test('a request whose signature does not fit its key is refused', async (t) => {
  const { requestPem } = await createDeviceKeyAndRequest(device)
  const der = Buffer.from(requestPem.replace(/-----[^-]+-----/g, ''), 'base64')
  for (const fromEnd of [1, 10, 40, 71]) {
    const forged = Buffer.from(der)
    forged.writeUInt8(forged.readUInt8(der.length - fromEnd) ^ 1, der.length - fromEnd)
    await t.rejects(publicKeyOfRequest(pem(forged)), { code: 'CERTS_REQUEST_REFUSED' }, `bit ${fromEnd} bytes from the end flipped`)
  }
})

test('a request for somebody else\'s public key is refused: the key is swapped, the signature is the applicant\'s', async (t) => {
  const mine = derOf((await createDeviceKeyAndRequest(device)).requestPem)
  const theirs = (await publicKeyOfRequest((await createDeviceKeyAndRequest(victim)).requestPem)).export({ type: 'spki', format: 'der' })
  const own = (await publicKeyOfRequest(pem(mine))).export({ type: 'spki', format: 'der' })
  const at = mine.indexOf(own)
  t.ok(at > 0)
  theirs.copy(mine, at)
  await t.rejects(publicKeyOfRequest(pem(mine)), { code: 'CERTS_REQUEST_REFUSED', message: /signature/ })
})

test('what is not a P-256 request is refused with our error, whatever it is', async (t) => {
  const { requestPem } = await createDeviceKeyAndRequest(device)
  const der = derOf(requestPem)
  const hostile: Array<[string, string]> = [
    ['empty', ''],
    ['text', 'hello'],
    ['a key', generateKeyPairSync('ed25519').publicKey.export({ type: 'spki', format: 'pem' }) as string],
    ['cut off', pem(der.subarray(0, 100))],
    ['nested without end', pem(Buffer.alloc(8_000, Buffer.from([0x30, 0x80])))],
    ['a length of 4 GB', pem(Buffer.from([0x30, 0x84, 0xff, 0xff, 0xff, 0xff]))],
    ['too long', pem(Buffer.alloc(60_000))]
  ]
  for (const [what, text] of hostile) await t.rejects(publicKeyOfRequest(text), { code: 'CERTS_REQUEST_REFUSED' }, what)
  for (let offset = 0; offset < der.length; offset += 7) {
    const mutated = Buffer.from(der)
    mutated.writeUInt8(mutated.readUInt8(offset) ^ 0xff, offset)
    await t.rejects(publicKeyOfRequest(pem(mutated)), { code: 'CERTS_REQUEST_REFUSED' }, `byte ${offset} inverted`)
  }
})

function derOf (text: string): Buffer {
  return Buffer.from(text.replace(/-----[^-]+-----/g, ''), 'base64')
}

function pem (der: Buffer): string {
  return `-----BEGIN CERTIFICATE REQUEST-----\n${der.toString('base64')}\n-----END CERTIFICATE REQUEST-----\n`
}
