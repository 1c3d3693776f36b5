// What we ourselves are to blame for, or our clock, keeps no address out: a server certificate that devices do not trust, a
// device's certificate that is good at another time. Asked of a real OpenSSL client, which says why it hangs up.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'tap'
import { eventually, startTestBroker } from '../fixtures/broker.ts'
import { createPki } from '../fixtures/pki.ts'

test('a peer that does not trust our certificate hangs up with an alert; that is counted by itself and keeps no address out', async (t) => {
  const { broker, pki, client, audit } = await startTestBroker(t, { limits: { authenticationFailures: 3 } })
  const foreign = await createPki(t)
  const device = await pki.device()
  const [key, cert] = [join(foreign.dir, 'key.pem'), join(foreign.dir, 'cert.pem')]
  await Promise.all([writeFile(key, device.key), writeFile(cert, device.cert)])
  let times = 0
  for (const version of ['-tls1_2', '-tls1_3']) {
    for (let i = 0; i < 4; i++, times++) {
      const peer = spawn('openssl', ['s_client', '-connect', `127.0.0.1:${broker.address.port}`, version, '-CAfile', foreign.files.caFile, '-verify_return_error', '-cert', cert, '-key', key], { stdio: 'ignore' })
      await once(peer, 'exit')
    }
  }
  await eventually(() => Object.values(broker.stats().refused).reduce((a, b) => a + b, 0) === times, 'all of them')
  t.strictSame(broker.stats().refused, { 'server-untrusted': times })
  t.match(audit.at(-1), { reason: 'server-untrusted', detail: { openssl: /UNKNOWN_CA/ } })
  t.equal(broker.stats().banned.addresses, 0)
  await client(device)
})

test('a certificate that is good at another time says as much of our clock as of the device: it is refused, and keeps no address out', async (t) => {
  const { broker, pki, tls, client } = await startTestBroker(t, { limits: { authenticationFailures: 3 } })
  for (const bad of [pki.bad.expired, pki.bad.notYetValid]) for (let i = 0; i < 5; i++) await (await tls(bad)).closed
  await eventually(() => broker.stats().refused['certificate-not-yet-valid'] === 5)
  t.strictSame(broker.stats().refused, { 'certificate-expired': 5, 'certificate-not-yet-valid': 5 })
  t.equal(broker.stats().banned.addresses, 0)
  await client(await pki.device())
  for (let i = 0; i < 8; i++) await (await tls(pki.bad.foreignCa)).closed // who shows nothing of ours still does
  await eventually(() => broker.stats().banned.addresses === 1)
})
