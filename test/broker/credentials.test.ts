// The broker refuses to start on credentials with which it would refuse every device, and says which file and what to do.
import { chmod, copyFile, writeFile } from 'node:fs/promises'
import { X509Certificate } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'tap'
import { parseCrl, subjectOf, trimZeros } from '../../runtime/crl.ts'
import { loadCredentials } from '../../broker/credentials.ts'
import { derValues } from '../../runtime/der.ts'
import { deviceIdIn, identify } from '../../broker/identity.ts'
import { startTestBroker } from '../fixtures/broker.ts'
import { createPki } from '../fixtures/pki.ts'

const dayMs = 86_400_000

test('good credentials load, and say who may issue, what is revoked and when they end', async (t) => {
  const pki = await createPki(t)
  const credentials = await loadCredentials(pki.files)
  t.equal(credentials.ca.length, 2)
  t.equal(credentials.crl.length, 2)
  t.equal(credentials.trust.issuers.length, 1, 'the issuing CA, not the root')
  t.ok(credentials.trust.revoked.has(trimZeros(new X509Certificate(pki.bad.revoked.cert).serialNumber)))
  t.ok(credentials.endsAtMs > Date.now())
  t.ok([pki.files.certFile, ...pki.files.crlFiles].includes(credentials.endsFirst))
})

test('each fault names its file and what to do', async (t) => {
  const pki = await createPki(t)
  const { files } = pki
  const dir = t.testdir({ 'empty.pem': '', 'text.pem': 'not PEM at all' })
  const rejects = async (change: Partial<typeof files>, code: string, message: RegExp, nowMs?: number): Promise<void> => {
    await t.rejects(loadCredentials({ ...files, ...change }, nowMs), { code, message }, `${code} ${message.source}`)
  }
  for (const name of ['keyFile', 'certFile', 'caFile'] as const) {
    await rejects({ [name]: join(dir, 'absent.pem') }, 'TLS_FILE_MISSING', /absent\.pem cannot be read: ENOENT/)
  }
  await rejects({ crlFiles: [join(dir, 'absent.pem')] }, 'TLS_FILE_MISSING', /CRL .*absent\.pem/)
  await rejects({ crlFiles: [] }, 'TLS_FILE_MISSING', /no CRL for CA .* do: pulsegate certs crl/)
  await rejects({ crlFiles: files.crlFiles.slice(0, 1) }, 'TLS_FILE_MISSING', /no CRL for CA/)
  await rejects({ certFile: join(dir, 'text.pem') }, 'TLS_FILE_INVALID', /text\.pem does not hold a certificate/)
  await rejects({ caFile: join(dir, 'empty.pem') }, 'TLS_FILE_INVALID', /empty\.pem does not hold a certificate/)
  await rejects({ crlFiles: [join(dir, 'text.pem')] }, 'TLS_FILE_INVALID', /text\.pem does not hold a CRL/)
  const device = await pki.device()
  const foreignKey = join(dir, 'device.key')
  await writeFile(foreignKey, device.key, { mode: 0o600 })
  await rejects({ keyFile: foreignKey }, 'TLS_FILE_INVALID', /device\.key does not belong to the certificate/)
  const exposed = join(dir, 'exposed.key')
  await copyFile(files.keyFile, exposed)
  await chmod(exposed, 0o644)
  await rejects({ keyFile: exposed }, 'TLS_FILE_EXPOSED', /exposed\.key has mode 0644; do: chmod 600/)
  await rejects({}, 'TLS_FILE_EXPIRED', /ended/, Date.now() + 20 * 365 * dayMs)
  await rejects({}, 'TLS_FILE_EXPIRED', /begins/, Date.now() - 10 * dayMs)
})

test('a CRL is read: its issuer, its end, its serials', async (t) => {
  const pki = await createPki(t)
  const [issuing, root] = pki.files.crlFiles as [string, string]
  const der = async (file: string): Promise<Buffer> => Buffer.from((await readFile(file, 'utf8')).replace(/-----[^-]+-----/g, ''), 'base64')
  const crl = parseCrl(await der(issuing))
  t.equal([...crl.serials()].length, 1)
  t.ok((crl.nextUpdateMs as number) > Date.now())
  t.ok(crl.thisUpdateMs <= Date.now())
  t.strictSame([...parseCrl(await der(root)).serials()], [])
  const [first] = pki.ca.split(/(?<=-----END CERTIFICATE-----)/) as [string]
  t.ok([crl.issuer, parseCrl(await der(root)).issuer].includes(subjectOf(new X509Certificate(first).raw)))
  const whole = await der(issuing)
  for (let length = 0; length < whole.length; length++) {
    t.throws(() => parseCrl(whole.subarray(0, length)), `cut at ${length}`)
    if (length > 40) length += 13
  }
  t.throws(() => derValues(Buffer.from([0x30, 0x85, 1, 1, 1, 1, 1])), 'a length of five bytes')
})

test('the identity is exactly one URI, urn:uuid: and a device id', async (t) => {
  const id = '0b4e1f6a-6c1a-4d5c-9a54-2f1de7a2c101'
  t.equal(deviceIdIn(`URI:urn:uuid:${id}`), id)
  t.equal(deviceIdIn(`DNS:a, URI:urn:uuid:${id}`), id)
  t.equal(deviceIdIn(`URI:urn:uuid:${id}, URI:urn:uuid:${id}`), null)
  t.equal(deviceIdIn(`URI:urn:uuid:${id.toUpperCase()}`), null)
  t.equal(deviceIdIn(`URI:"urn:uuid:${id}\\u002c"`), null, 'Node quotes what could be taken for several names')
  t.equal(deviceIdIn(`URI:https://x/${id}`), null)
  t.equal(deviceIdIn('DNS:a'), null)
  t.equal(deviceIdIn(undefined), null)
})

test('what a resumed session skips is looked at each time: end, revocation, issuer', async (t) => {
  const pki = await createPki(t)
  const foreign = await createPki(t)
  const { trust } = await loadCredentials(pki.files)
  const device = await pki.device()
  const certificate = new X509Certificate(device.cert)
  t.match(identify(certificate, trust, Date.now()), { ok: true, identity: { id: device.id } })
  t.match(identify(certificate, trust, Date.now() + 400 * dayMs), { ok: false, reason: 'certificate-expired' })
  t.match(identify(certificate, trust, Date.now() - 400 * dayMs), { ok: false, reason: 'certificate-not-yet-valid' })
  t.match(identify(certificate, { ...trust, revoked: new Set([trimZeros(certificate.serialNumber)]) }, Date.now()), { ok: false, reason: 'certificate-revoked' })
  t.match(identify(new X509Certificate((await foreign.device()).cert), trust, Date.now()), { ok: false, reason: 'certificate-issuer' })
  t.match(identify(undefined, trust, Date.now()), { ok: false, reason: 'no-certificate' })
})

test('two authorities in one bundle, of the same names: each is covered by the list that its own key has signed', async (t) => {
  const [one, two] = [await createPki(t), await createPki(t)]
  const dir = t.testdir()
  const join2 = async (name: string, files: readonly string[]): Promise<string> => {
    await writeFile(join(dir, name), (await Promise.all(files.map(async (file) => await readFile(file, 'utf8')))).join(''))
    return join(dir, name)
  }
  const files = { ...one.files, caFile: await join2('ca.pem', [one.files.caFile, two.files.caFile]), crlFiles: [await join2('crl.pem', [...one.files.crlFiles, ...two.files.crlFiles])] }
  const { trust } = await loadCredentials(files)
  t.equal(trust.issuers.length, 2)
  t.equal(trust.revoked.size, 2)
  for (const pki of [one, two]) t.match(identify(new X509Certificate((await pki.device()).cert), trust, Date.now()), { ok: true })
  await t.rejects(loadCredentials({ ...files, crlFiles: [...one.files.crlFiles, ...one.files.crlFiles] }), { code: 'TLS_FILE_MISSING', message: /no CRL for CA/ }, 'the same names are not enough')
  const running = await startTestBroker(t, { pki: one, tls: files })
  for (const pki of [one, two]) {
    const client = await running.client(await pki.device())
    client.send(client.publish(1))
    await client.acked(1)
  }
  const refused = await running.tls(two.bad.revoked)
  await refused.closed
  t.match(running.broker.stats().refused, { 'certificate-revoked': 1 })
})
