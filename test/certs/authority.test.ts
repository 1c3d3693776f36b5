import { randomUUID, X509Certificate } from 'node:crypto'
import { appendFile, readFile, rename, stat, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'tap'
import { initAuthority, openAuthority } from '../../certs/authority.ts'
import { readKey } from '../../certs/files.ts'
import { createPki } from '../fixtures/pki.ts'

const dayMs = 86_400_000

test('a device gets a certificate with its id as the only name, for client authentication only, for a week', async (t) => {
  const { authority } = await createPki(t)
  const id = randomUUID()
  const { certPem, chainPem, keyPem, serial } = await authority.issueDevice(id.toUpperCase())
  const certificate = new X509Certificate(certPem)
  t.equal(certificate.subjectAltName, `URI:urn:uuid:${id}`)
  t.same(certificate.keyUsage, ['1.3.6.1.5.5.7.3.2'], 'clientAuth alone')
  t.equal(certificate.ca, false)
  t.equal(certificate.serialNumber, serial)
  t.match(serial, /^[4-7][0-9A-F]{31}$/, '128 bits, positive, no leading zero byte')
  t.equal(certificate.publicKey.asymmetricKeyDetails?.namedCurve, 'prime256v1')
  const life = Date.parse(certificate.validTo) - Date.parse(certificate.validFrom)
  t.equal(Math.round(life / 60_000), 7 * 24 * 60 + 5, 'a week, and five minutes before now for slow clocks')
  t.equal(chainPem.match(/BEGIN CERTIFICATE/g)?.length, 2)
  t.match(keyPem, /BEGIN PRIVATE KEY/)
})

test('a server gets a certificate for its names only, for server authentication only', async (t) => {
  const { authority, files } = await createPki(t)
  await authority.issueServer(['gate.example', '192.0.2.7', '2001:db8::7'])
  const certificate = new X509Certificate(await readFile(files.certFile))
  t.equal(certificate.subjectAltName, 'DNS:gate.example, IP Address:192.0.2.7, IP Address:2001:DB8:0:0:0:0:0:7')
  t.same(certificate.keyUsage, ['1.3.6.1.5.5.7.3.1'])
})

test('names, ids and lives that make no sense are refused before anything is signed', async (t) => {
  const { authority } = await createPki(t)
  const before = (await authority.list()).length
  for (const names of [[], ['*.example'], ['a b'], ['-x'], ['']]) {
    await t.rejects(authority.issueServer(names), { code: 'CERTS_INPUT_INVALID' }, `server ${JSON.stringify(names)}`)
  }
  for (const id of ['', '../../etc/passwd', 'urn:uuid:0f2c1c0e-7a54-4d39-9a5e-3d1f6d2b8c11', '0f2c1c0e7a544d399a5e3d1f6d2b8c11']) {
    await t.rejects(authority.issueDevice(id), { code: 'CERTS_INPUT_INVALID' }, `device "${id}"`)
  }
  for (const days of [0, -1, 31, Number.NaN]) {
    await t.rejects(authority.issueDevice(randomUUID(), { days }), { code: 'CERTS_INPUT_INVALID' }, `${days} days`)
  }
  t.equal((await authority.list()).length, before)
})

test('an authority is never overwritten, not even by two of us at once', async (t) => {
  const dir = join(t.testdir(), 'certs')
  const both = await Promise.allSettled([initAuthority(dir), initAuthority(dir)])
  t.same(both.map(({ status }) => status).sort(), ['fulfilled', 'rejected'])
  const key = await readFile(join(dir, 'root.key'))
  await t.rejects(initAuthority(dir), { code: 'CERTS_AUTHORITY_EXISTS' })
  t.same(await readFile(join(dir, 'root.key')), key)
  await rename(join(dir, 'ca.pem'), join(dir, 'elsewhere'))
  await t.rejects(initAuthority(dir), { code: 'CERTS_AUTHORITY_EXISTS' }, 'a part of one is not overwritten either')
  await t.rejects(openAuthority(dir), { code: 'CERTS_AUTHORITY_MISSING' })
})

test('keys and directories are for the owner alone', async (t) => {
  const { authority, dir } = await createPki(t)
  const { keyFile } = await authority.issueDevice(randomUUID())
  for (const path of [keyFile, ...['root.key', 'issuing.key', 'server/server.key'].map((name) => join(dir, name))]) {
    t.equal((await stat(path)).mode & 0o777, 0o600, path)
  }
  for (const path of ['.', 'devices', 'server', 'crl']) t.equal((await stat(join(dir, path))).mode & 0o777, 0o700, path)
})

test('the root key can be kept elsewhere: all daily work goes on, its own list waits for it', async (t) => {
  const base = t.testdir()
  const [dir, rootDirectory] = [join(base, 'certs'), join(base, 'stick')]
  await initAuthority(dir, { rootDirectory })
  await t.rejects(stat(join(dir, 'root.key')), { code: 'ENOENT' })
  const authority = await openAuthority(dir)
  const device = await authority.issueDevice(randomUUID())
  const { lists } = await authority.revoke(device.serial, 'keyCompromise')
  t.match(lists, { issuing: { state: 'written' }, root: { state: 'kept' } })
  await t.rejects(authority.writeCrls({ root: 'required' }), { code: 'CERTS_ROOT_KEY_ABSENT' })
  const issuing = (await authority.list()).find(({ role }) => role === 'issuing')
  await t.rejects(authority.revoke(issuing?.serial ?? '', 'cACompromise'), { code: 'CERTS_ROOT_KEY_ABSENT' })
  t.notOk((await authority.show(issuing?.serial ?? ''))[0]?.revoked, 'a revocation that could not be published was not noted')
  const withRoot = await openAuthority(dir, { rootDirectory })
  t.match(await withRoot.writeCrls({ root: 'required' }), { root: { state: 'written' } })
})

test('revoking takes all living certificates of a device; again is no error and changes nothing', async (t) => {
  const { authority } = await createPki(t)
  const id = randomUUID()
  const { serial } = await authority.issueDevice(id)
  await authority.issueDevice(id)
  const first = await authority.revoke(id, 'superseded')
  t.equal(first.revoked.length, 2)
  const again = await authority.revoke(id, 'keyCompromise')
  t.match(again, { revoked: [], alreadyRevoked: [{ revoked: { reason: 'superseded' } }, { revoked: { reason: 'superseded' } }] })
  const colons = serial.toLowerCase().replace(/..(?=.)/g, '$&:')
  t.match(await authority.show(colons), [{ serial, names: [id], revoked: { reason: 'superseded' } }], 'a serial as OpenSSL prints it')
  await t.rejects(authority.revoke(randomUUID(), 'unspecified'), { code: 'CERTS_UNKNOWN' })
  const root = (await authority.list()).find(({ role }) => role === 'root')
  await t.rejects(authority.revoke(root?.serial ?? '', 'cACompromise'), { code: 'CERTS_INPUT_INVALID' })
})

test('revocations at the same time all end in the list', async (t) => {
  const { authority, dir, files } = await createPki(t)
  const devices = await authority.issueDevices(Array.from({ length: 8 }, () => randomUUID()))
  const second = await openAuthority(dir)
  await Promise.all(devices.map(async ({ serial }, index) => await (index % 2 === 0 ? authority : second).revoke(serial, 'keyCompromise')))
  const list = await readFile(files.crlFiles[0] ?? '', 'utf8')
  const der = Buffer.from(list.replace(/-----[^-]+-----/g, ''), 'base64')
  for (const { serial } of devices) t.ok(der.includes(Buffer.from(serial, 'hex')), serial)
})

test('a thousand certificates for a load test, in groups, with progress, until told to stop', async (t) => {
  const { authority } = await createPki(t)
  const ids = Array.from({ length: 1_000 }, () => randomUUID())
  const seen: number[] = []
  const before = process.cpuUsage()
  const devices = await authority.issueDevices(ids, { onProgress: (done) => { seen.push(done) } })
  const { user, system } = process.cpuUsage(before)
  t.same(devices.map(({ id }) => id), ids)
  t.equal(seen.at(-1), 1_000)
  t.ok(user + system < 20e6, `took ${Math.round((user + system) / 1_000)} ms of CPU`)
  await t.rejects(authority.issueDevices(ids, { signal: AbortSignal.abort(new Error('enough')) }), { message: 'enough' })
})

test('a journal line that a crash cut off is dropped; a damaged one stops everything', async (t) => {
  const { authority, dir } = await createPki(t)
  const journal = join(dir, 'index.jsonl')
  const { serial } = await authority.issueDevice(randomUUID())
  const before = await authority.list()
  await appendFile(journal, '{"event":"issued","at":"2026-')
  t.same(await authority.list(), before)
  await authority.revoke(serial, 'unspecified')
  t.match(await authority.show(serial), [{ revoked: { reason: 'unspecified' } }])
  const whole = await readFile(journal, 'utf8')
  await writeFile(journal, whole.replace(/"event":"revoked"/, '"event":"rewoked"'))
  await t.rejects(authority.list(), { code: 'CERTS_AUTHORITY_DAMAGED', message: /^Line \d+ of / })
  await truncate(journal, 10)
  await t.rejects(authority.revoke(serial, 'unspecified'), { code: 'CERTS_UNKNOWN' })
})

test('an authority whose files do not fit together does not open', async (t) => {
  const { dir } = await createPki(t)
  const other = await createPki(t)
  const key = await readFile(join(dir, 'issuing.key'))
  await writeFile(join(dir, 'issuing.key'), await readFile(join(other.dir, 'issuing.key')))
  await t.rejects(openAuthority(dir), { code: 'CERTS_AUTHORITY_DAMAGED', message: /issuing\.key/ })
  await writeFile(join(dir, 'issuing.key'), 'no key')
  await t.rejects(openAuthority(dir), { code: 'CERTS_AUTHORITY_DAMAGED' })
  await writeFile(join(dir, 'issuing.key'), key)
  await writeFile(join(dir, 'root.crt'), await readFile(join(other.dir, 'root.crt')))
  await t.rejects(openAuthority(dir), { code: 'CERTS_AUTHORITY_DAMAGED', message: /issuing\.crt/ })
  await t.rejects(openAuthority(join(dir, 'nowhere')), { code: 'CERTS_AUTHORITY_MISSING' })
  t.ok(await readKey(join(dir, 'root.key')))
})

test('no certificate outlives the authority that signed it', async (t) => {
  const { authority } = await createPki(t)
  const issuing = (await authority.list()).find(({ role }) => role === 'issuing')
  const { notAfterMs } = await authority.issueDevice(randomUUID(), { days: 30 })
  t.ok(notAfterMs <= Date.parse(issuing?.notAfter ?? ''))
  t.ok(notAfterMs - Date.now() <= 30 * dayMs)
})

test('a ca.pem that was written another way, or has none of our CAs, leaves no list empty', async (t) => {
  const { authority, dir, files } = await createPki(t)
  const path = join(dir, 'ca.pem')
  const bundle = await readFile(path, 'utf8')
  const rewrapped = bundle.replace(/(-----BEGIN [^-]+-----)([^-]+)(-----END)/g, (_, begin: string, base64: string, end: string) =>
    `${begin}\n${base64.replaceAll('\n', '').replace(/.{1,76}/g, '$&\n')}${end}`)
  const other = await createPki(t)
  const forms = { CRLF: bundle.replaceAll('\n', '\r\n'), rewrapped, foreign: await readFile(join(other.dir, 'ca.pem'), 'utf8'), empty: '' }
  for (const [form, text] of Object.entries(forms)) {
    t.not(text, bundle)
    await writeFile(path, text)
    const { serial } = await authority.issueDevice(randomUUID())
    await authority.revoke(serial, 'keyCompromise')
    for (const file of files.crlFiles) t.equal((await readFile(file, 'utf8')).match(/BEGIN X509 CRL/g)?.length, 1, `${form}: ${file}`)
    const der = Buffer.from((await readFile(files.crlFiles[0] ?? '', 'utf8')).replace(/-----[^-]+-----/g, ''), 'base64')
    t.ok(der.includes(Buffer.from(serial, 'hex')), form)
  }
})
