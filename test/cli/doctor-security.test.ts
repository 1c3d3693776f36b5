// `pulsegate doctor --security`: a clean set-up has no finding, and each weakness, planted alone, is found by its own check and no other.
import { generateKeyPairSync, randomUUID } from 'node:crypto'
import { chmodSync, copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { spawnSync } from 'node:child_process'
import { test } from 'tap'
import { ensureDevelopmentAuthority } from '../../certs/development.ts'
import { openAuthority } from '../../certs/authority.ts'
import { appendJournal, type CertificateRecord } from '../../certs/journal.ts'
import { authorityPaths, deviceFiles } from '../../certs/files.ts'
import { renderFindings } from '../../cli/doctor.ts'
import { examineSecurity, type SecurityConfig } from '../../cli/doctor-security.ts'
import { recordFindings } from '../../cli/doctor-security-certificates.ts'
import { clean, dayMs, faults, fleet, only } from '../fixtures/doctor-security.ts'
import { testFolder } from '../fixtures/folder.ts'
import { needsServices } from '../services/skip.ts'

test('settings: each weak one is found, and the address of this machine is not', async (t) => {
  t.strictSame(faults(await examineSecurity(clean)), [])
  const looked = async (more: Partial<SecurityConfig>) => (await examineSecurity({ ...clean, ...more })).filter(({ name }) => !['database rights', 'registry', 'sealing', 'tenant logins', 'audit trail'].includes(name))
  const away = 'postgres://u:c4n4ry@db.example/x'
  only(t, await looked({ databaseUrl: away }), 'database without TLS', /db.example/)
  for (const weak of ['sslmode=disable', 'sslmode=no-verify', 'uselibpqcompat=true&sslmode=require']) only(t, await looked({ databaseUrl: `${away}?${weak}` }), 'database without TLS', /db.example/)
  for (const fine of [`${away}?sslmode=verify-full`, 'postgres://u@127.0.0.1/x', 'postgres://u@[::1]/x', 'postgres://u@localhost/x?host=/run/postgresql']) t.strictSame(faults(await looked({ databaseUrl: fine })), [], fine)
  only(t, await looked({ redisUrl: 'redis://:c4n4ry@cache.example' }), 'Redis without TLS', /cache.example/)
  for (const fine of ['rediss://:x@cache.example', 'redis://127.0.0.1']) t.strictSame(faults(await looked({ redisUrl: fine })), [])
  for (const host of ['203.0.113.7', '2001:db8::1', 'health.example', '0.0.0.0', '::']) only(t, await looked({ healthHost: host }), 'health address', /reach|strangers/)
  for (const host of ['10.1.2.3', '172.20.0.2', 'fd00::1', 'localhost', '127.0.0.9']) t.strictSame(faults(await looked({ healthHost: host })), [], host)
  only(t, await looked({ mqttHost: '0.0.0.0', enrolment: 'active' }), 'enrolment', /let in at once/)
  only(t, await looked({ mqttHost: '0.0.0.0' }), 'enrolment', /not set/)
  t.strictSame(faults(await looked({ mqttHost: '0.0.0.0', enrolment: 'pending' })), [])
  only(t, await looked({ allowWeakDurability: true }), 'weak durability', /power cut/)
  t.notMatch(JSON.stringify(await examineSecurity({ ...clean, databaseUrl: away, redisUrl: 'redis://:c4n4ry@cache.example' })), 'c4n4ry', 'no password is shown')
})

test('the folder of the authority: open folders, open keys, weak and shared keys are found', async (t) => {
  const certs = join(testFolder(t), 'certs')
  const { paths } = await ensureDevelopmentAuthority(certs, ['localhost'])
  const authority = await openAuthority(certs)
  const [one, two] = await authority.issueDevices([randomUUID(), randomUUID()])
  if (one === undefined || two === undefined) throw new Error('two were asked for')
  const looked = () => examineSecurity({ ...clean, certs })
  t.strictSame(faults(await looked()), [], 'a fresh authority is clean')

  const planted = async (undo: () => void, name: string, detail: RegExp) => {
    only(t, await looked(), name, detail)
    undo()
    t.strictSame(faults(await looked()), [], `${name}: mended`)
  }
  chmodSync(certs, 0o755)
  await planted(() => { chmodSync(certs, 0o700) }, 'folder of the authority', /chmod 700/)
  chmodSync(paths.devices, 0o777)
  await planted(() => { chmodSync(paths.devices, 0o700) }, 'folder of the authority', /chmod go-w/)
  chmodSync(one.keyFile, 0o644)
  await planted(() => { chmodSync(one.keyFile, 0o600) }, 'key files', /chmod 0600/)
  mkdirSync(join(certs, 'tokens'), { mode: 0o700 })
  writeFileSync(join(certs, 'tokens', 'a.json'), '{}', { mode: 0o644 })
  await planted(() => { chmodSync(join(certs, 'tokens', 'a.json'), 0o600) }, 'other secrets', /a.json/)

  mkdirSync(join(certs, 'operators', 'audit'), { recursive: true, mode: 0o700 })
  writeFileSync(join(certs, 'operators', 'audit', 'spool.jsonl'), '', { mode: 0o644 })
  await planted(() => { chmodSync(join(certs, 'operators', 'audit', 'spool.jsonl'), 0o600) }, 'other secrets', /spool.jsonl/)

  const before = readFileSync(two.certFile)
  const weak = join(certs, 'weak.key')
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 1024, privateKeyEncoding: { type: 'pkcs8', format: 'pem' }, publicKeyEncoding: { type: 'spki', format: 'pem' } })
  writeFileSync(weak, privateKey, { mode: 0o600 })
  const made = spawnSync('openssl', ['req', '-x509', '-new', '-key', weak, '-subj', '/CN=weak', '-days', '7', '-out', two.certFile])
  t.equal(made.status, 0)
  await planted(() => { writeFileSync(two.certFile, before) }, 'weak keys', /RSA of 1024 bits/)

  const ec = join(certs, 'shared.key')
  copyFileSync(one.keyFile, ec)
  chmodSync(ec, 0o600)
  spawnSync('openssl', ['req', '-x509', '-new', '-key', ec, '-subj', `/CN=${two.id}`, '-days', '7', '-addext', `subjectAltName=URI:urn:uuid:${two.id}`, '-out', two.certFile])
  await planted(() => { writeFileSync(two.certFile, before) }, 'key shared by devices', new RegExp([one.id, two.id].sort().map((id) => `(?=.*${id})`).join('')))
  t.equal(deviceFiles(authorityPaths(certs), one.id).keyFile, one.keyFile)
})

test('what the folders above are called makes nothing a secret', async (t) => {
  const certs = join(testFolder(t), 'audit', 'tokens', 'certs')
  await ensureDevelopmentAuthority(certs, ['localhost'])
  await (await openAuthority(certs)).issueDevices([randomUUID()])
  t.strictSame(faults(await examineSecurity({ ...clean, certs })), [])
})

test('the journal: shared, several, ending, long-lived and revoked ones are found at their time', async (t) => {
  const nowMs = Date.now()
  const at = (days: number) => new Date(nowMs + days * dayMs).toISOString()
  const record = (role: CertificateRecord['role'], names: string[], from: number, to: number, more: Partial<CertificateRecord> = {}): CertificateRecord =>
    ({ serial: randomUUID(), role, names, notBefore: at(from), notAfter: at(to), issuedAt: at(from), issuer: '01', ...more })
  const [a, b] = [randomUUID(), randomUUID()]
  const good = [record('root', [], -10, 3_640), record('issuing', [], -10, 1_815), record('server', ['localhost'], -5, 25), record('device', [a], -2, 5), record('device', [b], -5, 2), record('device', [b], -0.2, 6.8)]
  t.strictSame(faults(recordFindings(good, nowMs)), [], 'one of them renews')
  const with_ = (...more: CertificateRecord[]) => recordFindings([...good, ...more], nowMs)
  only(t, with_(record('device', [randomUUID(), randomUUID()], -1, 6)), 'certificate shared by devices', /names 2 devices/)
  only(t, with_(record('device', [a], -1, 6)), 'several certificates of one device', new RegExp(`${a} has 2`))
  only(t, with_(record('device', [b], -0.1, 6.9)), 'several certificates of one device', /has 3/)
  // a certificate begins five minutes before it is issued: of a life of a minute that is most of it
  const minutes = (id: string, issued: number, to: number) => record('device', [id], (issued - 5) / 1_440, to / 1_440, { issuedAt: at(issued / 1_440) })
  const several = (...own: CertificateRecord[]) => faults(recordFindings(own, nowMs)).filter(({ name }) => name === 'several certificates of one device')
  for (const share of [0.61, 2 / 3, 0.73, 0.9]) t.strictSame(several(minutes(a, -share, 1 - share), minutes(a, 0, 1)), [], `renewed at ${share} of its life`)
  t.match(several(minutes(a, -0.3, 0.7), minutes(a, 0, 1)), [{ status: 'warn' }], 'long before it was due')
  t.match(several(record('device', [b], -3.9, 3.1), record('device', [b], 0, 7)), [{ status: 'warn' }], 'past half of its life, renewal was not due')
  only(t, with_(record('device', [randomUUID()], -6.9, 0.1)), 'device certificates ending', /until/)
  only(t, [...recordFindings(good.filter(({ role }) => role !== 'server').concat(record('server', ['gate'], -29, 1)), nowMs)], 'server certificate ending', /gate/)
  t.strictSame(faults(with_(record('server', ['localhost'], -29, 1))), [], 'a server certificate that has its successor')
  const [shared] = faults(with_(...Array.from({ length: 5 }, () => record('device', [randomUUID(), randomUUID()], -1, 6))))
  t.match(shared, { detail: /; and 2 more \(--all\)$/, faults: Array.from({ length: 5 }, () => /names 2 devices/) }, 'the line is short, nothing is lost')
  const lines = (all: boolean) => renderFindings(shared === undefined ? [] : [shared], { all }).split('\n').filter((line) => line.includes('names 2 devices'))
  t.match([lines(false).length, lines(true).length], [1, 5], '--all: a line each')
  only(t, with_(record('issuing', [], -1_800, 20)), 'authority ending', /issuing until/)
  only(t, with_(record('issuing', [], -20, 1_000, { revoked: { at: at(-1), reason: 'keyCompromise' } })), 'authority revoked', /issuing/)
  only(t, with_(record('device', [randomUUID()], -100, 400)), 'certificates living too long', /lives 500 days/)
})

test('revocation lists near their end are found', async (t) => {
  const certs = join(testFolder(t), 'certs')
  await ensureDevelopmentAuthority(certs, ['localhost'])
  const soon = (await examineSecurity({ ...clean, certs }, Date.now() + 26 * dayMs)).filter(({ name }) => name === 'revocation lists ending')
  t.match(soon, [{ status: 'fail', detail: /issuing.pem/, todo: /certs crl/ }])
})

test('the database: a login, a role or everybody with too many rights is found', needsServices, async (t) => {
  const { url, owner, login } = await fleet(t)
  const looked = (databaseUrl = url) => examineSecurity({ ...clean, databaseUrl })
  t.strictSame(faults(await looked()), [], 'a login of its own, migrated rights')
  const planted = async (plant: string, name: string, detail: RegExp, undo: string) => {
    await owner.query(plant)
    only(t, await looked(), name, detail)
    await owner.query(undo)
    t.strictSame(faults(await looked()), [], `${name}: mended`)
  }
  await planted(`ALTER ROLE ${login} SUPERUSER`, 'login of the worker', /has SUPERUSER/, `ALTER ROLE ${login} NOSUPERUSER`)
  await planted(`ALTER ROLE ${login} CREATEROLE BYPASSRLS`, 'login of the worker', /BYPASSRLS, CREATEROLE/, `ALTER ROLE ${login} NOCREATEROLE NOBYPASSRLS`)
  await planted('GRANT SELECT ON sample TO pulsegate_reader', 'rights on tables', /pulsegate_reader has SELECT on sample/, 'REVOKE SELECT ON sample FROM pulsegate_reader')
  await planted('GRANT SELECT (payload) ON quarantine TO pulsegate_reader', 'rights on tables', /pulsegate_reader has SELECT on quarantine/, 'REVOKE SELECT (payload) ON quarantine FROM pulsegate_reader')
  await planted(`GRANT DELETE ON receipt TO ${login}`, 'rights on tables', new RegExp(`${login} has DELETE on receipt`), `REVOKE DELETE ON receipt FROM ${login}`)
  await planted('GRANT SELECT ON device TO PUBLIC', 'rights on tables', /PUBLIC has SELECT on device/, 'REVOKE SELECT ON device FROM PUBLIC')
  await planted('GRANT SELECT ON wave TO pulsegate_ingest', 'history open to the worker', /may read wave/, 'REVOKE SELECT ON wave FROM pulsegate_ingest; GRANT INSERT ON wave TO pulsegate_ingest')
  await planted('GRANT CREATE ON SCHEMA public TO PUBLIC', 'rights of everybody', /make tables/, 'REVOKE CREATE ON SCHEMA public FROM PUBLIC')
  await planted('GRANT SELECT ON device_list TO PUBLIC', 'rights of everybody', /select device_list/, 'REVOKE SELECT ON device_list FROM PUBLIC')
  await planted('GRANT EXECUTE ON FUNCTION retain TO PUBLIC', 'rights of everybody', /run retain/, 'REVOKE EXECUTE ON FUNCTION retain FROM PUBLIC')
  const away = await looked('postgres://u:c4n4ry@127.0.0.1:9/x')
  t.match(faults(away), ['database rights', 'registry', 'sealing', 'tenant logins', 'audit trail'].map((name) => ({ name, status: 'fail' })), 'what could not be looked at is not fine')
  t.notMatch(JSON.stringify(away), 'c4n4ry')
})

test('registry and authority: revoked devices that are active or were heard, retired ones that are paired', needsServices, async (t) => {
  const { url, owner } = await fleet(t)
  const certs = join(testFolder(t), 'certs')
  await ensureDevelopmentAuthority(certs, ['localhost'])
  const authority = await openAuthority(certs)
  const [sensor, gateway] = [randomUUID(), randomUUID()]
  await authority.issueDevices([sensor, gateway])
  await owner.query("INSERT INTO device (id, state) VALUES ($1, 'active'), ($2, 'active')", [sensor, gateway])
  await owner.query("INSERT INTO pairing (gateway, sensor, period) SELECT g.key, s.key, tstzrange(now() - INTERVAL '1 hour', NULL) FROM device g, device s WHERE g.id = $1 AND s.id = $2", [gateway, sensor])
  const looked = () => examineSecurity({ ...clean, certs, databaseUrl: url })
  t.strictSame(faults(await looked()), [], 'clean')

  await owner.query("UPDATE device SET state = 'retired' WHERE id = $1", [sensor])
  only(t, await looked(), 'retired and still paired', new RegExp(`${sensor} with ${gateway}`))
  await owner.query("UPDATE device SET state = 'active' WHERE id = $1", [sensor])

  await authority.revoke(sensor, 'keyCompromise')
  only(t, await looked(), 'revoked and still active', new RegExp(sensor))
  await owner.query("UPDATE device SET state = 'suspended', last_seen = now() + INTERVAL '2 minutes' WHERE id = $1", [sensor])
  only(t, await looked(), 'revoked and still heard', new RegExp(sensor))
  await authority.issueDevice(sensor)
  t.strictSame(faults(await looked()), [], 'with a new certificate it may be heard')
  await appendJournal(authorityPaths(certs).journal, [])
})

test('the command: exit 1 when something is to repair, 0 when not, and one JSON document', async (t) => {
  const main = new URL('./dist/cli/main.js', import.meta.resolve('#package')).pathname
  const folder = testFolder(t)
  const run = (...words: string[]) => spawnSync(process.execPath, [main, 'doctor', '--security', '--data', join(folder, 'none'), ...words], { encoding: 'utf8', env: { PATH: process.env['PATH'] } })
  const fine = run('--json')
  t.equal(fine.status, 0, fine.stderr)
  t.match(JSON.parse(fine.stdout), { ok: true })
  const bad = run('--health-host', '203.0.113.7', '--json')
  t.equal(bad.status, 1)
  t.match(JSON.parse(bad.stdout), { ok: false })
  const certs = join(folder, 'certs')
  mkdirSync(certs, { mode: 0o700 })
  for (const name of ['a', 'b', 'c', 'd', 'e']) writeFileSync(join(certs, `${name}.key`), '', { mode: 0o644 })
  const open = JSON.parse(run('--certs', certs, '--json').stdout) as { findings: Array<{ name: string, faults?: string[] }> }
  t.equal(open.findings.find(({ name }) => name === 'key files')?.faults?.length, 5, 'JSON holds all')
  t.match(run('--certs', certs).stdout, /and 2 more \(--all\)/)
  t.match(run('--certs', certs, '--all').stdout, /a\.key[^]*b\.key[^]*c\.key[^]*d\.key[^]*e\.key/)
  t.match(run('--allow-weak-durability'), { status: 1, stdout: /✗ weak durability .*\n +→ set appendfsync always/ })
})
