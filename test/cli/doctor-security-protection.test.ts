// `pulsegate doctor --security` on what protects the data: the master key, enrolment tokens, the logins of tenants, the audit trail. Each
// weakness, planted alone, is found by its own check and no other.
import { randomUUID } from 'node:crypto'
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'tap'
import { Tokens } from '../../certs/tokens.ts'
import { examineSecurity } from '../../cli/doctor-security.ts'
import { auditFolder } from '../../ingest/audit/folder.ts'
import { openChainedLog } from '../../ingest/audit/log.ts'
import { startSigner } from '../../ingest/audit/signer.ts'
import { makeMasterKey } from '../../ingest/keys/master-key-file.ts'
import { type AuditEvent } from '../../runtime/audit.ts'
import { quietObservability } from '../../runtime/observability.ts'
import { clean, dayMs, faults, fleet, only } from '../fixtures/doctor-security.ts'
import { testFolder } from '../fixtures/folder.ts'
import { plantPlain } from '../fixtures/plain-quarantine.ts'
import { needsServices } from '../services/skip.ts'

test('the master key: open to others, replaceable, not the one that wraps; messages in the clear', needsServices, async (t) => {
  const { url, owner } = await fleet(t)
  const data = testFolder(t)
  const masterKey = join(data, 'keys', 'master.key')
  mkdirSync(join(data, 'keys'), { mode: 0o700 })
  const id = await makeMasterKey(masterKey).id()
  const looked = () => examineSecurity({ ...clean, masterKey, databaseUrl: url })
  t.strictSame(faults(await looked()), [], 'clean')
  const planted = async (plant: () => unknown, name: string, detail: RegExp, undo: () => unknown) => {
    await plant()
    only(t, await looked(), name, detail)
    await undo()
    t.strictSame(faults(await looked()), [], `${name}: mended`)
  }
  await planted(() => { chmodSync(masterKey, 0o644) }, 'master key', /chmod/, () => { chmodSync(masterKey, 0o600) })
  await planted(() => { chmodSync(join(data, 'keys'), 0o777) }, 'folder of the master key', /others can replace/, () => { chmodSync(join(data, 'keys'), 0o700) })
  chmodSync(join(data, 'keys'), 0o755)
  t.strictSame(faults(await looked()), [], 'a folder that somebody named, such as /etc/pulsegate, may be looked into')
  only(t, await examineSecurity({ ...clean, data, databaseUrl: url }), 'folder of the master key', /chmod 0700/)
  chmodSync(join(data, 'keys'), 0o700)
  t.strictSame(faults(await examineSecurity({ ...clean, data, databaseUrl: url })), [], 'our own is private')
  await owner.query("INSERT INTO data_key (purpose, master, wrapped) VALUES ('export', $1, 'w')", [id])
  await planted(() => owner.query("INSERT INTO data_key (purpose, master, wrapped) VALUES ('digest', 'feedfacefeedface', 'w')"), 'data keys under another master key', /1 under feedface/, () => owner.query("DELETE FROM data_key WHERE purpose = 'digest'"))
  await planted(() => plantPlain(owner, { publisher: randomUUID(), kind: 'telemetry', payload: Buffer.from('c4n4ry'), receivedAtMs: Date.now(), reason: 'not-cbor' }), 'quarantine in the clear', /1 messages/, () => owner.query('DELETE FROM quarantine'))
})

test('enrolment tokens without an end, or for any device for long', async (t) => {
  const certs = testFolder(t)
  chmodSync(certs, 0o700)
  const tokens = new Tokens(certs)
  await tokens.make([randomUUID(), null])
  const looked = () => examineSecurity({ ...clean, certs })
  t.strictSame(faults(await looked()), [], 'clean')
  const [long] = await tokens.make([null], 20 * dayMs)
  only(t, await looked(), 'tokens for any device', new RegExp(long?.name ?? 'none'))
  for (const expiresAtMs of [Date.now() + 400 * dayMs, 1e300]) {
    const path = join(certs, 'tokens', `${long?.name}.json`)
    writeFileSync(path, JSON.stringify({ ...JSON.parse(readFileSync(path, 'utf8')) as object, device: randomUUID(), expiresAtMs }))
    only(t, await looked(), 'tokens without end', new RegExp(long?.name ?? 'none'))
  }
})

test('tenant logins: gone, reading past their tenant, mapped to nothing; a login that may not look is told', needsServices, async (t) => {
  const { url, owner, login } = await fleet(t)
  const reader = `aaa_reader_${randomUUID().slice(0, 8)}`
  await owner.query(`CREATE ROLE ${reader} LOGIN IN ROLE pulsegate_reader`)
  t.teardown(() => owner.query(`DROP ROLE IF EXISTS ${reader}`))
  const looked = () => examineSecurity({ ...clean, databaseUrl: url })
  await owner.query("INSERT INTO tenant_login (login, tenant, granted_by) VALUES ($1, 'a', 'test')", [reader])
  t.strictSame(faults(await looked()), [], 'clean')
  await owner.query("INSERT INTO tenant_login (login, tenant, granted_by) VALUES ('test_gone', 'a', 'test')")
  only(t, await looked(), 'tenant login that is gone', /test_gone/)
  await owner.query("DELETE FROM tenant_login WHERE login = 'test_gone'")
  for (const role of ['pulsegate_ingest', 'pg_read_all_data']) {
    await owner.query(`GRANT ${role} TO ${reader}`)
    only(t, await looked(), 'tenant login that reads more', new RegExp(`${reader}: ${role}`))
    await owner.query(`REVOKE ${role} FROM ${reader}`)
  }
  await owner.query(`ALTER ROLE ${reader} SUPERUSER`)
  only(t, await looked(), 'tenant login that reads more', new RegExp(`${reader}: SUPERUSER`))
  await owner.query(`ALTER ROLE ${reader} NOSUPERUSER`)
  await owner.query('DELETE FROM tenant_login')
  only(t, await looked(), 'reader without a tenant', new RegExp(`${reader} is in pulsegate_reader and sees nothing`))
  await owner.query("INSERT INTO tenant_login (login, tenant, granted_by) VALUES ($1, 'a', 'test')", [reader])
  await owner.query(`REVOKE pulsegate_auditor FROM ${login}`)
  t.match(faults(await looked()), [{ name: 'tenant logins', status: 'warn', detail: /may not read/ }, { name: 'audit trail', status: 'warn', detail: /may not read/ }], 'nothing is called fine that was not seen')
})

test('the audit trail: unsigned, unverified, not whole; clones it tells of', needsServices, async (t) => {
  const { url, owner } = await fleet(t)
  const folder = auditFolder(testFolder(t))
  const agent = { id: 'test', role: 'operator' } as const
  const startMs = Date.now()
  const log = openChainedLog({ database: owner, agent, observability: quietObservability() })
  const looked = (atMs = Date.now()) => examineSecurity({ ...clean, databaseUrl: url }, atMs)
  const add = (event: AuditEvent) => log.recordNow(event)
  t.strictSame(faults(await looked()), [], 'empty')
  await add({ type: 'configuration', subtype: 'changed', action: 'U', outcome: 'success', agent })
  t.strictSame(faults(await looked()), [], 'a moment old')
  only(t, await looked(startMs + 2 * 3_600_000), 'audit trail not signed', /no signed head/)
  const signer = await startSigner({ database: owner, folder, observability: quietObservability(), audit: log })
  await signer.close()
  only(t, await looked(startMs + 31 * dayMs), 'audit trail not verified', /never verified/)
  const verified = { type: 'audit', subtype: 'verified', action: 'R', agent } as const
  await add({ ...verified, outcome: 'success' })
  t.strictSame(faults(await looked()), [], 'verified')
  await add({ ...verified, outcome: 'serious-failure', reason: 'altered' })
  only(t, await looked(), 'audit trail not whole', /found faults/)
  await add({ ...verified, outcome: 'success' })
  const device = randomUUID()
  await add({ type: 'security', subtype: 'clone', action: 'E', outcome: 'minor-failure', agent: { id: device, role: 'device' }, entity: { type: 'device', id: device } })
  only(t, await looked(), 'clones', new RegExp(device))
  await log.close()
})
