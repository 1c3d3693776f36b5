// Changing the issuing CA, as the files and the journal see it. test/pipeline/ca-rotation.test.ts has devices live through it.
import { randomUUID, X509Certificate } from 'node:crypto'
import { readFile, rm, stat, writeFile } from 'node:fs/promises'
import { test } from 'tap'
import { openAuthority, type Authority } from '../../certs/authority.ts'
import { ensureDevelopmentAuthority } from '../../certs/development.ts'
import { readLayout } from '../../certs/layout.ts'
import { activate, prepare, retire, rollback } from '../../certs/rotation.ts'
import { lockedOut, rotationStatus } from '../../certs/rotation-status.ts'
import { type CertificateRecord } from '../../certs/journal.ts'
import { loadCredentials } from '../../broker/credentials.ts'
import { pemBlocks } from '../../runtime/pem.ts'
import { createPki } from '../fixtures/pki.ts'

const certificatesOf = async (path: string): Promise<X509Certificate[]> => pemBlocks(await readFile(path, 'utf8'), 'CERTIFICATE').map((pem) => new X509Certificate(pem))
const issuerOf = async (authority: Authority, serial: string): Promise<string | undefined> => (await authority.show(serial))[0]?.issuer

test('each phase leaves bundle, lists and issuing CA as it says, there and back', async (t) => {
  const { authority, files, dir } = await createPki(t)
  const { paths } = authority
  const options = { paths }
  const old = new X509Certificate(await readFile(paths.issuingCertificate))
  const names = async (): Promise<string[]> => (await certificatesOf(paths.ca)).map(({ subject }) => subject.replace('CN=Pulsegate ', ''))
  const serverBy = async (): Promise<string> => new X509Certificate(await readFile(files.certFile)).issuer.replace('CN=Pulsegate ', '')
  const usable = async (cas: number): Promise<void> => { t.equal((await loadCredentials(files)).trust.issuers.length, cas, `${cas} trusted, each with its list`) }

  await t.rejects(activate(options), { code: 'CERTS_PHASE_WRONG' })
  await t.rejects(rollback(options, { force: false }), { code: 'CERTS_PHASE_WRONG' })
  t.match(await prepare(options, { newRoot: false }), { phase: 'prepared', issuing: old.serialNumber, server: false })
  t.same(await names(), ['issuing CA', 'issuing CA 2', 'root CA'])
  await usable(2)
  await t.rejects(prepare(options, { newRoot: false }), { code: 'CERTS_PHASE_WRONG' })
  const before = await authority.issueDevice(randomUUID())
  t.equal(await issuerOf(authority, before.serial), old.serialNumber, 'the old one issues')

  const activated = await activate(options)
  t.match(activated, { phase: 'activated', server: true })
  t.same(await names(), ['issuing CA 2', 'issuing CA', 'root CA'])
  t.equal(await serverBy(), 'issuing CA 2')
  t.equal((await certificatesOf(files.certFile))[0]?.subjectAltName, 'DNS:localhost, IP Address:127.0.0.1, IP Address:0:0:0:0:0:0:0:1', 'for the same names')
  await usable(2)
  const after = await authority.issueDevice(randomUUID())
  t.equal(await issuerOf(authority, after.serial), activated.issuing, 'one that was open before issues from the new one')
  t.equal((await certificatesOf(after.certFile))[1]?.serialNumber, activated.issuing)
  t.same((await ensureDevelopmentAuthority(dir, ['localhost', '127.0.0.1'])).changed, [], 'nothing is left to renew')

  t.match(await rollback(options, { force: false }), { phase: 'prepared', issuing: old.serialNumber, server: true })
  t.equal(await serverBy(), 'issuing CA')
  await t.rejects(rollback(options, { force: false }), { code: 'CERTS_CA_IN_USE', message: /^1 device has/ }, 'it has issued')
  await activate(options)
  await t.rejects(retire(options, { force: false }), { code: 'CERTS_CA_IN_USE', message: /^1 device has a living/ })
  await authority.issueDevice(before.id) // it renews
  t.match(await retire(options, { force: false }), { phase: 'steady', issuing: activated.issuing })
  t.same(await names(), ['issuing CA 2', 'root CA'])
  t.equal(pemBlocks(await readFile(paths.issuingCrl, 'utf8'), 'X509 CRL').length, 1)
  await usable(1)

  t.match(await rollback(options, { force: false }), { phase: 'activated' }, 'retiring is taken back')
  t.same(await names(), ['issuing CA 2', 'issuing CA', 'root CA'])
  await usable(2)
  await retire(options, { force: true })
  await prepare(options, { newRoot: false })
  t.same(await names(), ['issuing CA 2', 'issuing CA 3', 'root CA'])
  await rollback(options, { force: false })
  t.same((await readLayout(paths)).cas.map(({ state }) => state), ['withdrawn', 'issuing', 'withdrawn'])
  for (const gone of ['issuing.key', 'issuing-1.key', 'issuing-3.key']) await t.rejects(stat(`${dir}/${gone}`), { code: 'ENOENT' }, gone)
  await t.rejects(rollback(options, { force: false }), { code: 'CERTS_PHASE_WRONG', message: /no step to take back/ })
  await prepare(options, { newRoot: false })
  t.same(await names(), ['issuing CA 2', 'issuing CA 4', 'root CA'], 'no number is used twice')
})

test('a new root: who trusts only the old one finds the way, and a broker trusts both', async (t) => {
  const { authority, files } = await createPki(t)
  const options = { paths: authority.paths }
  const [oldRoot] = (await certificatesOf(authority.paths.rootCertificate)) as [X509Certificate]
  await prepare(options, { newRoot: true })
  t.match((await certificatesOf(authority.paths.ca)).map(({ subject }) => subject), ['CN=Pulsegate issuing CA', 'CN=Pulsegate issuing CA 2', 'CN=Pulsegate root CA', 'CN=Pulsegate root CA 2'])
  t.equal((await loadCredentials(files)).crl.length, 4)
  await activate(options)
  const [leaf, issuing, cross] = await certificatesOf(files.certFile) as [X509Certificate, X509Certificate, X509Certificate]
  t.ok(leaf.checkIssued(issuing) && issuing.checkIssued(cross) && cross.checkIssued(oldRoot) && cross.verify(oldRoot.publicKey), 'the chain goes up to the old root')
  const device = await authority.issueDevice(randomUUID())
  await authority.revoke(device.serial, 'superseded')
  await authority.writeCrls({ root: 'required' })
  await retire(options, { force: true })
  const bundle = await certificatesOf(authority.paths.ca)
  t.match(bundle.map(({ subject }) => subject), ['CN=Pulsegate issuing CA 2', 'CN=Pulsegate root CA 2'])
  t.ok(issuing.verify((bundle[1] as X509Certificate).publicKey))
  t.equal((await loadCredentials(files)).trust.revoked.size, 1, 'the list of the new one has what it revoked')
  await rollback(options, { force: false })
  t.equal((await loadCredentials(files)).trust.revoked.size, 2, 'and the old one\'s list is back with the old one')
})

test('an authority made before CAs could be changed opens, and its leaves count as its only CA\'s', async (t) => {
  const { authority, dir } = await createPki(t)
  const { serial } = await authority.issueDevice(randomUUID())
  const journal = await readFile(authority.paths.journal, 'utf8')
  await writeFile(authority.paths.journal, journal.replaceAll(/,"issuer":"[0-9A-F]+"/g, ''))
  const opened = await openAuthority(dir)
  const [issuing] = (await opened.list()).filter(({ role }) => role === 'issuing')
  t.equal(await issuerOf(opened, serial), issuing?.serial)
  await opened.revoke(serial, 'superseded')
  const { trust } = await loadCredentials((await createFiles(dir)))
  t.ok(trust.revoked.has(serial), 'and are in its list')
  await prepare({ paths: opened.paths }, { newRoot: false })
  t.match(await activate({ paths: opened.paths }), { phase: 'activated' })
  await writeFile(opened.paths.layout, '{"layout":3,"cas":[]}')
  await t.rejects(openAuthority(dir), { code: 'CERTS_AUTHORITY_DAMAGED', message: /later version/ })
})

async function createFiles (dir: string): Promise<Parameters<typeof loadCredentials>[0]> {
  const at = (name: string): string => `${dir}/${name}`
  return { keyFile: at('server/server.key'), certFile: at('server/server.crt'), caFile: at('ca.pem'), crlFiles: [at('crl/issuing.pem'), at('crl/root.pem')] }
}

test('a step that was cut off is finished by the next command, which then does nothing else', async (t) => {
  const { authority, files } = await createPki(t)
  const options = { paths: authority.paths }
  const bundle = await readFile(authority.paths.ca, 'utf8')
  await prepare(options, { newRoot: false })
  await writeFile(authority.paths.ca, bundle) // authority.json was written, the bundle was not
  t.match(await activate(options), { finishedEarlier: true, phase: 'prepared' })
  t.equal((await loadCredentials(files)).trust.issuers.length, 2)
  t.match(await activate(options), { finishedEarlier: false, phase: 'activated' })
})

test('what has ended or is revoked is not issued from, and without the root key no CA is made', async (t) => {
  const { authority, dir } = await createPki(t)
  const options = { paths: authority.paths }
  const key = await readFile(authority.paths.rootKey)
  await rm(authority.paths.rootKey)
  const files = await readFile(authority.paths.ca)
  await t.rejects(prepare(options, { newRoot: false }), { code: 'CERTS_ROOT_KEY_ABSENT' })
  t.same(await readFile(authority.paths.ca), files)
  await writeFile(authority.paths.rootKey, key, { mode: 0o600 })
  const { trusted } = await prepare(options, { newRoot: false })
  await authority.revoke(trusted[1] as string, 'cACompromise')
  await t.rejects(activate(options), { code: 'CERTS_PHASE_WRONG', message: /is revoked/ })
  t.ok(await openAuthority(dir))
})

test('shares, and whom a retirement locks out: not those that hold another certificate', async (t) => {
  const record = (serial: string, issuer: string, name: string, more: Partial<CertificateRecord> = {}): CertificateRecord =>
    ({ serial, issuer, role: 'device', names: [name], notBefore: '', notAfter: '2030-01-01T00:00:00.000Z', issuedAt: '', ...more })
  const records = [
    record('1', 'OLD', 'a'), record('2', 'NEW', 'a'), record('3', 'OLD', 'b'), record('4', 'OLD', 'c', { notAfter: '2020-01-01T00:00:00.000Z' }),
    record('5', 'OLD', 'd', { revoked: { at: '', reason: 'superseded' } }), record('6', 'OLD', 'gate', { role: 'server' }), record('7', 'NEW', 'e', { notAfter: '2031-01-01T00:00:00.000Z' })
  ]
  const nowMs = Date.parse('2026-01-01T00:00:00Z')
  t.same(lockedOut(records, 'OLD', nowMs), { devices: 1, lastEnd: '2030-01-01T00:00:00.000Z' })
  t.same(lockedOut(records, 'NEW', nowMs), { devices: 1, lastEnd: '2031-01-01T00:00:00.000Z' })
  const status = rotationStatus({ layout: 2, cas: [{ number: 1, state: 'trusted', root: 1 }, { number: 2, state: 'issuing', root: 1 }] }, [{ number: 1, serial: 'OLD' }, { number: 2, serial: 'NEW' }], records, nowMs)
  t.match(status, { phase: 'activated', next: 'retire', canRollBack: true, cas: [{ devices: 2, others: 1, share: 0.5 }, { devices: 2, others: 0, share: 0.5, lastEnd: '2031-01-01T00:00:00.000Z' }] })
})
