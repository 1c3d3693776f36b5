// A key service over real HTTPS: what it wraps it unwraps, whom it knows and who it is is verified, and its absence has an end.
import { chmodSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { randomBytes } from 'node:crypto'
import { test } from 'tap'
import { httpsKeyService, type KeyServiceOptions } from '../../../ingest/keys/key-service-https.ts'
import { openKeyRing } from '../../../ingest/keys/key-ring.ts'
import { type KeyService } from '../../../ingest/keys/key-service.ts'
import { startKeyService } from '../../fixtures/key-service.ts'
import { createPki } from '../../fixtures/pki.ts'

const context = { purpose: 'quarantine', tenant: 'ward', day: '2026-01-31' } as const

test('wraps and unwraps, with a token or a client certificate; without either it refuses', async (t) => {
  const pki = await createPki(t)
  const service = await startKeyService(t, pki)
  const client = (options: Partial<KeyServiceOptions>): KeyService => {
    const made = httpsKeyService({ url: service.url, caFile: service.caFile, ...options })
    t.teardown(() => { made.close() })
    return made
  }
  const withToken = client({ tokenFile: service.tokenFile })
  const key = randomBytes(32)
  const wrapped = await withToken.wrap(key, context)
  t.equal(wrapped.master, await withToken.id())
  t.same(await withToken.unwrap(wrapped, context), key)
  t.equal(wrapped.wrapped.includes(key), false)
  const { key: keyPem, cert } = await pki.device()
  const [keyFile, certFile] = [join(pki.dir, 'client.key'), join(pki.dir, 'client.crt')]
  writeFileSync(keyFile, keyPem, { mode: 0o600 })
  writeFileSync(certFile, cert)
  t.same(await client({ keyFile, certFile }).unwrap(wrapped, context), key, 'another client of the same service')

  await t.rejects(client({}).id(), { code: 'KEY_SERVICE_REFUSED', message: /401/ })
  await t.rejects(withToken.unwrap(wrapped, { ...context, tenant: 'other' }), { code: 'SEALED_DATA_DAMAGED' })
  await t.rejects(withToken.unwrap({ ...wrapped, master: 'another' }, context), { code: 'KEY_MASTER_UNKNOWN' })
  const strange = httpsKeyService({ url: service.url, tokenFile: service.tokenFile })
  await t.rejects(strange.id(), { code: 'KEY_SERVICE_REFUSED', message: /CA that is not trusted here/ }, 'its certificate is verified')
  const renamed = client({ url: service.url.replace('localhost', '127.0.0.2'), tokenFile: service.tokenFile })
  await t.rejects(renamed.id(), { code: 'KEY_SERVICE_REFUSED', message: /another host name/ }, 'and its name')
})

test('secrets of the key service are files of ours alone, and it is https or nothing [C14]', async (t) => {
  const pki = await createPki(t)
  const service = await startKeyService(t, pki)
  chmodSync(service.tokenFile, 0o644)
  t.throws(() => httpsKeyService({ url: service.url, caFile: service.caFile, tokenFile: service.tokenFile }), { code: 'SECRET_FILE_EXPOSED' })
  for (const url of ['http://localhost:1/keys', 'https://user:secret@localhost/keys']) t.throws(() => openKeyRing({ masterKey: url }), { code: 'CONFIG_INVALID' })
  t.throws(() => openKeyRing({ masterKey: service.url, caFile: join(pki.dir, 'none.pem') }), { code: 'TLS_FILE_UNREADABLE', message: /none\.pem/ })
})

test('a service that hangs or fails: an end within the deadline, then a breaker, then it heals by itself', async (t) => {
  const service = await startKeyService(t, await createPki(t))
  const client = httpsKeyService({ url: service.url, caFile: service.caFile, tokenFile: service.tokenFile, deadlineMs: 1_000 })
  t.teardown(() => { client.close() })
  let master = await client.id().catch(() => null)
  while (master === null) master = await client.id().catch(() => null) // the first handshake of a busy machine
  service.mode = 'hang'
  const begun = performance.now()
  await t.rejects(client.id(), { code: 'KEY_UNAVAILABLE' })
  t.ok(performance.now() - begun < 5_000, 'it does not wait for ever')
  service.mode = 'fail'
  await t.rejects(client.id(), { code: 'KEY_UNAVAILABLE' })
  await t.rejects(client.id(), { code: 'KEY_UNAVAILABLE' })
  const { asked } = service
  await t.rejects(client.id(), { code: 'KEY_UNAVAILABLE', message: /a moment ago/ })
  t.equal(service.asked, asked, 'behind the breaker it is not asked')
  service.mode = 'ok'
  for (;;) {
    const answer = await client.id().catch(() => null)
    if (answer === null) { await new Promise((resolve) => setTimeout(resolve, 50)); continue }
    t.equal(answer, master)
    break
  }
})
