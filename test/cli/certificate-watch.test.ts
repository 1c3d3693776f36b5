// Certificates and lists that are about to end, and a clock that is wrong: what /readyz, metrics and the audit trail say.
import { test } from 'tap'
import { type CredentialEnd } from '../../broker/broker.ts'
import { keepCertificates } from '../../cli/keep-certificates.ts'
import { checkOf, watchCertificates } from '../../cli/certificate-watch.ts'
import { untilClockIsRight } from '../../cli/clock-floor.ts'
import { type AuditEvent } from '../../runtime/audit.ts'
import { Health } from '../../runtime/health.ts'
import { quietObservability } from '../../runtime/observability.ts'
import { startTelemetry } from '../../runtime/telemetry.ts'
import { eventually, startTestBroker } from '../fixtures/broker.ts'
import { createPki } from '../fixtures/pki.ts'
import { rename } from 'node:fs/promises'

const dayMs = 86_400_000
const { log } = quietObservability()

test('what is about to end is said in /readyz, as a metric, and to the audit trail [C22]', async (t) => {
  const startMs = Date.now()
  let nowMs = startMs
  const ends: CredentialEnd[] = [
    { what: 'revocation-list', name: 'Pulsegate issuing CA', file: '/c/crl/issuing.pem', fromMs: startMs - 25 * dayMs, untilMs: startMs + 5 * dayMs },
    { what: 'ca-certificate', name: 'Pulsegate root CA', file: '/c/ca.pem', fromMs: startMs - dayMs, untilMs: startMs + 3_650 * dayMs }
  ]
  const told: AuditEvent[] = []
  const health = new Health()
  const telemetry = await startTelemetry({ serviceName: 'test' })
  t.teardown(() => telemetry.close())
  const stop = watchCertificates({ ends: () => ends, fault: () => null, health, meter: telemetry.meter, log, audit: { record: (event) => { told.push(event) } }, nowMs: () => nowMs })
  t.match(health.report(), { ready: true, checks: { certificates: { reason: /issuing\.pem: the revocation list of "Pulsegate issuing CA" ends .*do: pulsegate certs crl/ } } })
  t.match(await telemetry.prometheusText(), new RegExp(`pulsegate_certificate_expires_seconds\\{[^}]*what="revocation-list"[^}]*\\} ${Math.floor((startMs + 5 * dayMs) / 1_000)}`))
  t.match(told, [{ type: 'security', subtype: 'certificate-expiring', reason: 'ending', entity: { id: 'Pulsegate issuing CA' } }])
  stop()
  nowMs += 6 * dayMs
  t.match(checkOf(ends, null, nowMs), { ready: false, reason: /ended .*no device can connect; do: pulsegate certs crl/ })
  t.match(checkOf(ends, null, startMs - 30 * dayMs), { ready: false, reason: /clock/ })
  t.match(checkOf(ends.slice(1), 'x.pem is half', startMs), { ready: true, reason: /from before: x\.pem is half/ })
  t.same(checkOf(ends.slice(1), null, startMs), { ready: true })
  t.same(health.report().checks, {}, 'and is quiet when it has ended')
})

test('files that cannot be taken are said, and taken when they can be', async (t) => {
  const running = await startTestBroker(t)
  const { broker, pki } = running
  const health = new Health()
  t.teardown(keepCertificates({ paths: pki.authority.paths, broker, log, health, meter: quietObservability().meter }))
  t.same(health.report(), { ready: true, checks: { certificates: { ready: true } } })
  const { issuingCrl } = pki.authority.paths
  await rename(issuingCrl, `${issuingCrl}.away`)
  await eventually(() => health.report().checks['certificates']?.reason?.includes('issuing.pem cannot be read') === true, 'the fault to be said')
  t.equal(health.report().ready, true, 'the broker goes on with what it has')
  await rename(`${issuingCrl}.away`, issuingCrl)
  await eventually(() => health.report().checks['certificates']?.reason === undefined, 'the fault to be over')
})

test('a clock before a CA\'s beginning is waited for, not ready, with the reason [C15]', async (t) => {
  const pki = await createPki(t)
  const health = new Health()
  const caFile = pki.authority.paths.ca
  const real = Date.now
  t.teardown(() => { Date.now = real })
  Date.now = () => real() - 30 * dayMs
  const stopping = new AbortController()
  let started = false
  const starting = untilClockIsRight({ caFile, health, log, signal: stopping.signal }).then(() => { started = true })
  await new Promise((resolve) => { setTimeout(resolve, 700) })
  t.notOk(started)
  t.match(health.report(), { ready: false, checks: { clock: { reason: /which is before .*set the clock/ } } })
  Date.now = real
  await starting
  t.equal(health.report().ready, true)
  Date.now = () => Date.parse('1970-01-02T00:00:00Z')
  const stopped = untilClockIsRight({ caFile: '/nowhere', health, log, signal: stopping.signal })
  stopping.abort(new Error('stop'))
  await t.rejects(stopped)
})
