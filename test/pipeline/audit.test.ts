// A whole Pulsegate keeps its trail: what it is, what it was told, who came; spools of the certificate authority; heads at the end.
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'tap'
import { auditCommand } from '../../cli/audit.ts'
import { configurationDigest } from '../../cli/audit-process.ts'
import { spoolAudit } from '../../certs/audit-spool.ts'
import { openDatabase } from '../../ingest/database.ts'
import { rowsOf } from '../fixtures/audit.ts'
import { testFolder } from '../fixtures/folder.ts'
import { startPulsegate } from '../fixtures/pulsegate.ts'
import { runCommand } from '../fixtures/run-command.ts'
import { needsServices } from '../services/skip.ts'

test('start, configuration, just-in-time registration, spooled events and the stop are in one chain that verifies', needsServices, async (t) => {
  const auditDir = join(testFolder(t), 'audit')
  const first = await startPulsegate(t, { auditDir })
  const owner = openDatabase(first.databaseUrl)
  t.teardown(() => owner.close())
  const device = await first.connect()
  await spoolAudit(first.pki.dir, { type: 'certificate', subtype: 'issued', action: 'C', outcome: 'success', agent: { id: 'anna@ca', role: 'operator' }, entity: { type: 'certificate', id: 'AB12' } })
  const { host, port } = first.service.healthServer.address
  const readyz = await (await fetch(`http://${host}:${port}/readyz`)).json() as { checks: Record<string, unknown> }
  t.match(readyz.checks['audit'], { ready: true, detail: { waiting: Number } })
  t.match(await first.metrics(), /pulsegate_audit_events_total\{[^}]*outcome="written"[^}]*\} \d+/)
  for (let found = 0; found === 0;) {
    found = (await rowsOf(owner, "type = 'certificate' AND entity = 'AB12'")).length
    await new Promise((resolve) => { setTimeout(resolve, 100) })
  }
  await device.end()
  await first.close()

  const second = await startPulsegate(t, { auditDir, databaseUrl: first.databaseUrl, retentionMs: 30 * 86_400_000 })
  await second.close()
  const rows = await rowsOf(owner)
  const told = rows.map(({ type, subtype }) => `${String(type)} ${String(subtype)}`)
  for (const what of ['key made', 'process started', 'configuration loaded', 'device registered', 'certificate issued', 'process stopped', 'configuration changed']) {
    t.ok(told.includes(what), what)
  }
  t.match(rows.find(({ type }) => type === 'device'), { agent: device.id, entity: device.id, detail: { state: 'active' } })
  t.match(rows.find(({ subtype }) => subtype === 'changed'), { agent: 'pulsegate up', detail: { digest: /^[0-9a-f]{64}$/, before: /^[0-9a-f]{64}$/ } })
  t.equal(told.filter((what) => what === 'certificate issued').length, 1)
  t.equal(told.at(-1), 'process stopped')
  const verified = await runCommand(auditCommand, 'verify', '--json', '--database-url', first.databaseUrl, '--audit-dir', auditDir)
  t.match(JSON.parse(verified.out), { ok: true, lastNumber: rows.length, signedTo: rows.length }, 'the end is signed')
  t.match((await readFile(join(auditDir, 'heads.jsonl'), 'utf8')).split('\n')[0], /^\{"number":\d+,"hash":"[0-9a-f]{64}"/)
})

test('the digest of a configuration tells changes, and holds nothing secret', async (t) => {
  const one = configurationDigest({ databaseUrl: 'postgres://a:b@c/d', port: 1, names: ['x'], between: () => {} })
  t.equal(configurationDigest({ port: 1, databaseUrl: 'postgres://other', names: ['x'], redis: undefined }), one)
  t.not(configurationDigest({ port: 2, names: ['x'] }), one)
})
