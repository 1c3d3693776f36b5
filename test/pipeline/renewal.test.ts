// Certificates that end while everything runs: the ward of `up` renews over HTTPS with nothing lost, and an old certificate is good until it
// ends, or until the new one has been seen, where that is wanted.
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { X509Certificate } from 'node:crypto'
import { test } from 'tap'
import { createSuperseder, supersedingTrail } from '../../certs/supersede.ts'
import { type UpConfig } from '../../cli/up-settings.ts'
import { startWard } from '../../cli/ward.ts'
import { prove, agrees } from '../../proof/evidence.ts'
import { type AuditEvent } from '../../runtime/audit.ts'
import { Lifecycle } from '../../runtime/lifecycle.ts'
import { quietObservability } from '../../runtime/observability.ts'
import { renewByEst } from '../../simulator/enrol-est.ts'
import { connectDevice, telemetry } from '../fixtures/mqtt-device.ts'
import { startPulsegate } from '../fixtures/pulsegate.ts'
import { needsServices } from '../services/skip.ts'

const est = { host: '127.0.0.1', port: 0, deviceLifeMs: 20_000 }

test('the ward renews while it runs: every device connects with its new certificate, and ledger and database agree', needsServices, async (t) => {
  const { service, metrics } = await startPulsegate(t, { est })
  const data = await mkdtemp(join(tmpdir(), 'pulsegate-ward-'))
  t.teardown(() => rm(data, { recursive: true, force: true }))
  const observability = quietObservability()
  const lifecycle = new Lifecycle({ log: observability.log })
  t.teardown(() => lifecycle.close())
  const { simulator } = await startWard({
    service,
    config: { data, deviceLifeMs: est.deviceLifeMs } as UpConfig,
    flags: { seed: 5, devices: 4, rate: 10, simulator: true, est: true },
    playback: undefined,
    lifecycle,
    observability
  })
  const { connections } = simulator.stats()
  const deadline = Date.now() + 90_000
  // twice each: the second with a certificate that was itself renewed, after the first has ended
  while (simulator.renewals.renewed < 2 * connections && Date.now() < deadline) await setTimeout(100)
  t.ok(simulator.renewals.renewed >= 2 * connections, `${simulator.renewals.renewed} renewals of ${connections} devices`)
  t.equal(simulator.renewals.failed, 0)
  t.ok(await simulator.drain({ graceMs: 20_000 }))
  const { made, acknowledged } = simulator.stats()
  t.equal(acknowledged, made)
  const evidence = await prove(service.database, simulator)
  t.ok(agrees(evidence), JSON.stringify(evidence.comparison))
  t.equal(service.broker.stats().refused['certificate-expired'] ?? 0, 0, 'nobody came with a certificate that had ended')
  t.match(await metrics(), /pulsegate_est_certificates_total\{[^}]*by="renewal"[^}]*\} \d+/)
})

test('the old certificate is let in until it ends, and not after; the new one is [C1]', needsServices, async (t) => {
  const { service, pki } = await startPulsegate(t, { est })
  const old = await pki.authority.issueDevice('00000000-0000-8000-8000-00000000000a', { days: 8 / 86_400 })
  const server = { url: service.est?.url ?? '', ca: pki.ca }
  const renewed = await renewByEst(server, old.id, { keyPem: old.keyPem, certPem: old.chainPem }, new AbortController().signal)
  for (const [seq, pem] of [renewed, { keyPem: old.keyPem, certPem: old.chainPem }].entries()) {
    const device = await connectDevice(service.url, old.id, pki.ca, pem)
    await device.publish(telemetry(seq))
    await device.end()
  }
  await setTimeout(old.notAfterMs - Date.now() + 1_100)
  await t.rejects(connectDevice(service.url, old.id, pki.ca, { keyPem: old.keyPem, certPem: old.chainPem }))
  await t.rejects(renewByEst(server, old.id, { keyPem: old.keyPem, certPem: old.chainPem }, new AbortController().signal), { code: 'ENROLMENT_REFUSED' }, 'nor does it renew')
  const device = await connectDevice(service.url, old.id, pki.ca, renewed)
  await device.publish(telemetry(2))
  await device.end()
})

test('superseding: when the new certificate has connected, the older ones are revoked, and only they [C4]', needsServices, async (t) => {
  const { service, pki } = await startPulsegate(t, { est: { ...est, deviceLifeMs: 86_400_000 } })
  const [old, other] = [await pki.device(), await pki.device()]
  const renewed = await renewByEst({ url: service.est?.url ?? '', ca: pki.ca }, old.id, { keyPem: old.key, certPem: old.cert }, new AbortController().signal)
  const events: AuditEvent[] = []
  const superseder = createSuperseder({ authority: pki.authority, audit: { record: (event) => { events.push(event) } }, log: quietObservability().log, gatherMs: 10 })
  const trail = supersedingTrail({ record () {} }, superseder)
  const seen = (certPem: string, id: string): void => {
    trail.record({ type: 'connection', subtype: 'accepted', action: 'E', outcome: 'success', agent: { id, role: 'device', certificateSerial: new X509Certificate(certPem).serialNumber } })
  }
  seen(old.cert, old.id)
  seen(other.cert, other.id)
  await setTimeout(100)
  t.same(events, [], 'the old one was seen: nothing is older')
  seen(renewed.certPem, old.id)
  await superseder.close()
  t.match(events, [{ type: 'certificate', subtype: 'revoked', reason: 'superseded', entity: { id: new X509Certificate(old.cert).serialNumber } }])
  const [oldRecord, newRecord] = await pki.authority.show(old.id)
  t.equal(oldRecord?.revoked?.reason, 'superseded')
  t.equal(newRecord?.revoked, undefined)
  await service.broker.reloadCertificates()
  await t.rejects(connectDevice(service.url, old.id, pki.ca, { keyPem: old.key, certPem: old.cert }))
  const device = await connectDevice(service.url, old.id, pki.ca, renewed)
  await device.publish(telemetry(0))
  await device.end()
  await (await connectDevice(service.url, other.id, pki.ca, { keyPem: other.key, certPem: other.cert })).end()
  t.match(await readFile(pki.authority.paths.issuingCrl, 'utf8'), 'BEGIN X509 CRL')
})
