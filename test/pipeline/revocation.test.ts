// `pulsegate certs revoke` on a running Pulsegate: the live session ends, the device does not come back, others do not notice.
import { test } from 'tap'
import { connectDevice, telemetry } from '../fixtures/mqtt-device.ts'
import { startPulsegate } from '../fixtures/pulsegate.ts'

test('revoking a certificate ends its live session within seconds and keeps it out [C4]', async (t) => {
  const { connect, pki, service } = await startPulsegate(t)
  const identity = await pki.device()
  const [innocent, revoked] = await Promise.all([connect(), connect(identity)])
  await revoked.publish(telemetry(0))
  const ended = new Promise<void>((resolve) => { revoked.client.once('close', () => { resolve() }) })
  await pki.authority.revoke(identity.id, 'keyCompromise')
  await ended
  t.equal(service.broker.stats().refused['certificate-revoked'], 1, 'counted with its reason')
  await t.rejects(connectDevice(service.url, identity.id, pki.ca, { keyPem: identity.key, certPem: identity.cert }), 'and does not get in again')
  await innocent.publish(telemetry(0))
  t.ok(innocent.client.connected)
})
