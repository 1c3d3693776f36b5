// Certificates that end while everything runs: the ward of `up` renews over HTTPS with nothing lost, and an old certificate is good until it
// ends, or until the new one has been seen, where that is wanted.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { X509Certificate } from 'node:crypto'
import { test } from 'tap'
import { type UpConfig } from '../../cli/up-settings.ts'
import { startWard } from '../../cli/ward.ts'
import { prove, agrees } from '../../proof/evidence.ts'
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

test('superseding: with clonePolicy refuse the older certificates are revoked when the new one has connected, and only they [C4]', needsServices, async (t) => {
  const { service, pki, reader } = await startPulsegate(t, { est: { ...est, deviceLifeMs: 86_400_000 }, limits: { clonePolicy: 'refuse' } })
  const [old, other] = [await pki.device(), await pki.device()]
  const pairOf = (identity: { key: string, cert: string }): { keyPem: string, certPem: string } => ({ keyPem: identity.key, certPem: identity.cert })
  const once = async (id: string, pair: { keyPem: string, certPem: string }): Promise<void> => { await (await connectDevice(service.url, id, pki.ca, pair)).end() }
  const reasonOf = async (certPem: string): Promise<string | undefined> => (await pki.authority.show(new X509Certificate(certPem).serialNumber))[0]?.revoked?.reason
  const renewed = await renewByEst({ url: service.est?.url ?? '', ca: pki.ca }, old.id, pairOf(old), new AbortController().signal)
  await once(old.id, pairOf(old))
  await once(other.id, pairOf(other))
  await setTimeout(3_000) // longer than sightings are gathered
  t.equal(await reasonOf(old.cert), undefined, 'the old one is good until the new one has connected')
  await once(old.id, renewed)
  const deadline = Date.now() + 30_000
  while ((service.broker.stats().refused['certificate-revoked'] ?? 0) === 0 && Date.now() < deadline) {
    await connectDevice(service.url, old.id, pki.ca, pairOf(old)).catch(() => {})
    await setTimeout(500)
  }
  t.ok(service.broker.stats().refused['certificate-revoked'], 'it is on the list that the broker has read')
  t.equal(await reasonOf(old.cert), 'superseded')
  t.equal(await reasonOf(renewed.certPem), undefined)
  const device = await connectDevice(service.url, old.id, pki.ca, renewed)
  await device.publish(telemetry(0))
  await device.end()
  await once(other.id, pairOf(other))
  let rows: unknown[] = []
  while (rows.length === 0 && Date.now() < deadline) {
    rows = (await reader.query("select 1 from audit where type = 'certificate' and subtype = 'revoked' and reason = 'superseded'")).rows
    await setTimeout(200)
  }
  t.equal(rows.length, 1, 'and the trail says so')
})
