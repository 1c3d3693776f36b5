// What Node's TLS does with our certificates and lists, in real handshakes, on both protocol versions.
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { type AddressInfo } from 'node:net'
import { connect, createServer, type PeerCertificate, type SecureVersion, type TLSSocket } from 'node:tls'
import { test, type Test } from 'tap'
import { createPki, type BadKind, type DeviceIdentity, type Pki } from '../fixtures/pki.ts'

type Outcome = { authorized: true, serial: string, names: string } | { authorized: false, reason: string }

/** One handshake, as the server saw it. In TLS 1.3 a client believes itself connected before it is refused. */
async function handshake (pki: Pki, version: SecureVersion, device: DeviceIdentity | null): Promise<Outcome> {
  const { keyFile, certFile, caFile, crlFiles } = pki.files
  const server = createServer({
    key: await readFile(keyFile),
    cert: await readFile(certFile),
    ca: await readFile(caFile),
    crl: await Promise.all(crlFiles.map(async (file) => await readFile(file))),
    requestCert: true,
    rejectUnauthorized: true,
    minVersion: version,
    maxVersion: version
  })
  const outcome = new Promise<Outcome>((resolve) => {
    server.once('secureConnection', (socket) => {
      const { serialNumber, subjectaltname }: PeerCertificate = socket.getPeerCertificate()
      resolve({ authorized: true, serial: serialNumber, names: subjectaltname ?? '' })
      socket.end()
    })
    server.once('tlsClientError', (error, socket: TLSSocket) => {
      // the error itself is ECONNRESET whatever the reason; the socket knows it (a code, whatever the types say)
      const reason = socket.authorizationError as unknown as string | undefined
      resolve({ authorized: false, reason: reason ?? (error as NodeJS.ErrnoException).code ?? error.message })
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const identity = device === null ? {} : { key: device.key, cert: device.cert }
  const client = connect({ host: '127.0.0.1', port, ca: pki.ca, ...identity })
  client.on('error', () => {}) // a refusal; the server's side of it is what is looked at
  client.resume()
  await new Promise((resolve) => { client.once('close', resolve) }) // events.once would reject on 'error'
  server.close()
  await once(server, 'close')
  return await outcome
}

const refusals: ReadonlyArray<[BadKind, string]> = [
  ['foreignCa', 'UNABLE_TO_VERIFY_LEAF_SIGNATURE'],
  ['selfSigned', 'UNABLE_TO_GET_CRL'], // the list of its own "CA" is asked for before trust is
  ['expired', 'CERT_HAS_EXPIRED'],
  ['notYetValid', 'CERT_NOT_YET_VALID'],
  ['revoked', 'CERT_REVOKED'],
  ['serverAuthOnly', 'INVALID_PURPOSE']
]

const leftToTheBroker: BadKind[] = ['twoUriSans', 'noUriSan', 'noEku']

async function versionKeepsPromises (t: Test, pki: Pki, version: SecureVersion): Promise<void> {
  const device = await pki.device()
  t.match(await handshake(pki, version, device), { authorized: true, names: `URI:urn:uuid:${device.id}` }, 'a good device is let in by its id')
  for (const [kind, reason] of refusals) {
    t.same(await handshake(pki, version, pki.bad[kind]), { authorized: false, reason }, `${kind} is refused`)
  }
  t.match(await handshake(pki, version, null), { authorized: false, reason: 'ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE' }, 'no certificate is refused')
  for (const kind of leftToTheBroker) {
    t.match(await handshake(pki, version, pki.bad[kind]), { authorized: true }, `${kind} passes TLS: the broker must refuse it`)
  }
}

test('a good device passes and every bad one is refused for its own reason', async (t) => {
  const pki = await createPki(t)
  for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
    await t.test(version, async (t) => { await versionKeepsPromises(t, pki, version) })
  }
})

test('a device revoked after it had connected is refused as soon as the new list is loaded', async (t) => {
  const pki = await createPki(t)
  const device = await pki.device()
  t.match(await handshake(pki, 'TLSv1.3', device), { authorized: true })
  await pki.authority.revoke(device.id, 'cessationOfOperation')
  t.same(await handshake(pki, 'TLSv1.3', device), { authorized: false, reason: 'CERT_REVOKED' })
})

test('a device that enrolled with its own key is let in', async (t) => {
  const { createDeviceKeyAndRequest } = await import('../../certs/request.ts')
  const pki = await createPki(t)
  const id = '0f2c1c0e-7a54-4d39-9a5e-3d1f6d2b8c11'
  const { keyPem, requestPem } = await createDeviceKeyAndRequest(id)
  const { chainPem, serial } = await pki.authority.signRequest(requestPem, { id })
  t.match(await handshake(pki, 'TLSv1.3', { id, key: keyPem, cert: chainPem }), { authorized: true, serial })
})
