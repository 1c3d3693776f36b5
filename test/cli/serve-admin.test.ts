// The certificates of the administration address as a process keeps them: an encrypted server key, a list that has ended, and what
// /readyz and metrics say of them. Real authorities, real TLS.
import { rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test, type Test } from 'tap'
import { openAuthority } from '../../certs/authority.ts'
import { authorityPaths } from '../../certs/files.ts'
import { operatorsDirectory } from '../../certs/operators.ts'
import { keepCertificates } from '../../cli/keep-certificates.ts'
import { serveAdmin } from '../../cli/serve-admin.ts'
import { type Database } from '../../ingest/database.ts'
import { type AuditEvent } from '../../runtime/audit.ts'
import { Health } from '../../runtime/health.ts'
import { Lifecycle } from '../../runtime/lifecycle.ts'
import { quietObservability } from '../../runtime/observability.ts'
import { startTelemetry } from '../../runtime/telemetry.ts'
import { agedOperatorLists, askAdmin, issuePerson, type Person } from '../fixtures/admin.ts'
import { eventually, startTestBroker } from '../fixtures/broker.ts'
import { createPki, type Pki } from '../fixtures/pki.ts'

interface Served {
  readonly health: Health
  readonly told: AuditEvent[]
  metrics (): Promise<string>
  /** Status of a request by `who`; null: the handshake was refused. */
  ask (who: Person): Promise<number | null>
}

async function serveFrom (t: Test, pki: Pki, certsPassphraseFile?: string): Promise<Served> {
  const { log, tracer } = quietObservability()
  const lifecycle = new Lifecycle({ log })
  t.teardown(() => lifecycle.close())
  const telemetry = await startTelemetry({ serviceName: 'test' })
  t.teardown(() => telemetry.close())
  const { broker } = await startTestBroker(t)
  const health = new Health()
  const told: AuditEvent[] = []
  const record = (event: AuditEvent): void => { told.push(event) }
  // whoami does not ask the database
  const parts = { broker, database: {} as Database, audit: { record, recordNow: async (event: AuditEvent) => { record(event) } }, health }
  const server = await serveAdmin({ certs: pki.dir, certsPassphraseFile, host: '127.0.0.1', port: 0 }, parts, { lifecycle, observability: { log, tracer, meter: telemetry.meter } })
  if (server === null) throw new Error('no administration')
  return {
    health,
    told,
    metrics: () => telemetry.prometheusText(),
    ask: async (who) => askAdmin(server, pki.ca, who, 'GET', '/v1/whoami').then(({ status }) => status, () => null)
  }
}

test('an encrypted server key serves administration too', async (t) => {
  const pki = await createPki(t)
  const alice = await issuePerson(pki.dir, 'alice', 'operator')
  const passphraseFile = join(pki.dir, 'passphrase')
  await writeFile(passphraseFile, 'correct horse battery\n', { mode: 0o600 })
  await (await openAuthority(pki.dir, { passphrase: 'correct horse battery' })).issueServer(['localhost', '127.0.0.1'], { encrypt: true })
  const { ask } = await serveFrom(t, pki, passphraseFile)
  t.equal(await ask(alice), 200)
})

test('an operators\' list that has ended shuts administration, not the process, and a new one opens it [C15]', async (t) => {
  const pki = await createPki(t)
  const alice = await issuePerson(pki.dir, 'alice', 'operator')
  await agedOperatorLists(pki.dir, 31)
  const { ask, health } = await serveFrom(t, pki)
  t.match(health.report(), { ready: true, checks: { administration: { ready: true, reason: /operators.*issuing\.pem: the CRL ended .*pulsegate certs crl --dir .*operators/ } } }, 'devices are served, and it is said what is not')
  t.equal(await ask(alice), null, 'nobody gets in')
  await (await openAuthority(operatorsDirectory(pki.dir))).writeCrls()
  await eventually(() => health.report().checks['administration']?.reason === undefined, 'the new list to be taken')
  t.equal(await ask(alice), 200)
})

test('upkeep renews operators\' lists every hour, and a fault of theirs does not keep the fleet\'s from it', async (t) => {
  const pki = await createPki(t)
  await issuePerson(pki.dir, 'alice', 'operator')
  const real = globalThis.setInterval
  t.teardown(() => { globalThis.setInterval = real })
  let anHourLater = (): void => {}
  globalThis.setInterval = ((work: () => void, ms: number) => {
    if (ms === 3_600_000) anHourLater = work
    return real(work, ms)
  }) as typeof setInterval
  const renewed: unknown[] = []
  const reader = { reloadCertificates: async () => {} }
  t.teardown(keepCertificates({
    paths: pki.authority.paths, serverNames: ['localhost'], broker: reader, log: quietObservability().log, audit: { record: ({ detail }) => { renewed.push(detail?.['changed']) } }
  }))
  await agedOperatorLists(pki.dir, 16)
  anHourLater()
  await eventually(() => renewed.length === 1, 'the lists to be renewed')
  const { issuingKey } = authorityPaths(operatorsDirectory(pki.dir))
  await agedOperatorLists(pki.dir, 16)
  await rename(issuingKey, `${issuingKey}.away`)
  await writeFile(pki.files.certFile, 'damaged')
  anHourLater()
  await eventually(() => renewed.length === 2, 'the server certificate to be renewed')
  t.strictSame(renewed, ['operators\' lists', 'server'])
})

test('a missing operators\' authority ends the start, with what to do', async (t) => {
  await t.rejects(serveFrom(t, await createPki(t)), { code: 'CERTS_OPERATORS_MISSING', message: /pulsegate certs operator <name> --role operator --dir / })
})

test('operators\' certificates and lists about to end are said in /readyz, as a metric, and to the audit trail [C22]', async (t) => {
  const pki = await createPki(t)
  const alice = await issuePerson(pki.dir, 'alice', 'operator')
  await agedOperatorLists(pki.dir, 25)
  const { ask, health, told, metrics } = await serveFrom(t, pki)
  t.equal(await ask(alice), 200)
  t.match(health.report(), { ready: true, checks: { administration: { reason: /operators.*issuing\.pem: the revocation list of "Pulsegate operators issuing CA" ends .*do: pulsegate certs crl --dir .*operators$/ } } })
  t.match(told, [{ type: 'security', subtype: 'certificate-expiring', reason: 'ending', detail: { what: 'revocation-list', file: /operators/ } }])
  const text = await metrics()
  for (const what of ['revocation-list', 'ca-certificate', 'server-certificate']) t.match(text, new RegExp(`pulsegate_certificate_expires_seconds\\{(?=[^}]*what="${what}")[^}]*of="operators"`), what)
  t.match(text, /pulsegate_certificate_reload_failed\{[^}]*of="operators"[^}]*\} 0/)
})
