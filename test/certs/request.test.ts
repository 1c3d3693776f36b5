import { generateKeyPairSync, KeyObject, randomUUID, X509Certificate } from 'node:crypto'
import { test } from 'tap'
import { createDeviceKeyAndRequest, publicKeyOfRequest } from '../../certs/request.ts'
import { PulsegateError } from '../../runtime/errors.ts'
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

test('whatever bit of a request is changed: it is refused, or still gives the very key that signed it', async (t) => {
  const { requestPem } = await createDeviceKeyAndRequest(device)
  const der = derOf(requestPem)
  const spki = (key: KeyObject): Buffer => key.export({ type: 'spki', format: 'der' })
  const key = spki(await publicKeyOfRequest(requestPem))
  let harmless = 0 // the frames around the signed part and the signature leave the parser some room
  for (let offset = 0; offset < der.length; offset++) {
    const changed = Buffer.from(der)
    changed.writeUInt8(changed.readUInt8(offset) ^ (offset % 2 === 0 ? 0x01 : 0x80), offset)
    const outcome = await publicKeyOfRequest(pem(changed)).catch((error: unknown) => error)
    if (outcome instanceof PulsegateError && outcome.code === 'CERTS_REQUEST_REFUSED') continue
    t.same(outcome instanceof KeyObject && spki(outcome), key, `bit changed at ${offset}`)
    harmless++
  }
  t.ok(harmless < 8, `${harmless} changes did no harm`)
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
})

function derOf (text: string): Buffer {
  return Buffer.from(text.replace(/-----[^-]+-----/g, ''), 'base64')
}

function pem (der: Buffer): string {
  return `-----BEGIN CERTIFICATE REQUEST-----\n${der.toString('base64')}\n-----END CERTIFICATE REQUEST-----\n`
}

test('bytes that are no request are refused in the same words, whatever they are, and never crash', async (t) => {
  const { requestPem } = await createDeviceKeyAndRequest(randomUUID())
  const der = Buffer.from(requestPem.replace(/-----[^-]+-----/g, ''), 'base64')
  const pem = (bytes: Buffer): string => `-----BEGIN CERTIFICATE REQUEST-----\n${bytes.toString('base64')}\n-----END CERTIFICATE REQUEST-----\n`
  t.equal((await publicKeyOfRequest(requestPem.replaceAll('CERTIFICATE REQUEST', 'NEW CERTIFICATE REQUEST'))).type, 'public', 'the label of older tools')
  const bad = [requestPem + requestPem, der.toString('base64'), der.toString('hex'), pem(Buffer.alloc(0)), pem(Buffer.alloc(8_000, 0x30)), pem(Buffer.concat([der, der]))]
  for (let at = 0; at < der.length; at += 3) {
    bad.push(pem(der.subarray(0, at)))
  }
  for (const [index, text] of bad.entries()) await t.rejects(publicKeyOfRequest(text), { code: 'CERTS_REQUEST_REFUSED' }, String(index))
})
