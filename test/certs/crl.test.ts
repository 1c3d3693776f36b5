import { execFile } from 'node:child_process'
import { randomBytes, X509Certificate } from 'node:crypto'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createSecureContext } from 'node:tls'
import { promisify } from 'node:util'
import { test } from 'tap'
import { signCrl, type RevokedSerial } from '../../certs/crl.ts'
import { readKey } from '../../certs/files.ts'
import { readLists } from '../../certs/revocation.ts'
import { signerOf } from '../../certs/signing.ts'
import { createPki } from '../fixtures/pki.ts'

const run = promisify(execFile)
const openssl = await run('openssl', ['version']).then(() => true, () => false)

test('a list of 20,000 revoked certificates takes less than 2 s of CPU, and Node loads it', async (t) => {
  const { dir } = await createPki(t)
  const signer = signerOf(await readKey(join(dir, 'issuing.key')), new X509Certificate(await readFile(join(dir, 'issuing.crt'))).raw)
  const entries = Array.from({ length: 20_000 }, (_, index): RevokedSerial => ({
    serial: `4${randomBytes(16).toString('hex').slice(1)}`, at: new Date(), reason: index % 2 === 0 ? 'keyCompromise' : 'unspecified'
  }))
  const before = process.cpuUsage()
  const list = signCrl({ entries, thisUpdate: new Date(), nextUpdate: new Date(Date.now() + 86_400_000), covers: 'user' }, signer)
  const { user, system } = process.cpuUsage(before)
  t.ok(user + system < 2e6, `took ${Math.round((user + system) / 1_000)} ms of CPU`)
  t.match(list, /^-----BEGIN X509 CRL-----\n/)
  t.doesNotThrow(() => createSecureContext({ crl: list }))
})

test('lists say from when to when they count', async (t) => {
  const { files, authority } = await createPki(t)
  await authority.writeCrls()
  for (const [index, days] of [30, 365].entries()) {
    const path = files.crlFiles[index] ?? ''
    const { thisUpdate, nextUpdate } = readLists(path, await readFile(path, 'utf8'))[0] as ReturnType<typeof readLists>[0]
    t.equal((nextUpdate.getTime() - thisUpdate.getTime()) / 86_400_000, days)
  }
  t.throws(() => readLists('x.pem', 'nonsense'), { code: 'CERTS_AUTHORITY_DAMAGED' })
})

test('OpenSSL agrees: profile, chain, purposes and lists', { skip: openssl ? false : 'no openssl here' }, async (t) => {
  const pki = await createPki(t)
  const scratch = await mkdtemp(join(tmpdir(), 'pulsegate-openssl-'))
  t.teardown(async () => { await rm(scratch, { recursive: true }) })
  const crls = (await Promise.all(pki.files.crlFiles.map(async (file) => await readFile(file, 'utf8')))).join('')
  await writeFile(join(scratch, 'crls.pem'), crls)
  const verify = async (pem: string, purpose: string): Promise<string> => {
    await writeFile(join(scratch, 'leaf.pem'), pem)
    const given = ['verify', '-x509_strict', '-crl_check_all', '-CRLfile', join(scratch, 'crls.pem'), '-CAfile', pki.files.caFile]
    return await run('openssl', [...given, '-purpose', purpose, join(scratch, 'leaf.pem')])
      .then(({ stdout }) => stdout.trim().split(' ').at(-1) ?? '', (error: { stderr: string }) => error.stderr)
  }
  const { cert } = await pki.device()
  t.equal(await verify(cert, 'sslclient'), 'OK')
  t.match(await verify(cert, 'sslserver'), /unsuitable certificate purpose|unsupported certificate purpose/i)
  t.equal(await verify(await readFile(pki.files.certFile, 'utf8'), 'sslserver'), 'OK')
  t.match(await verify(pki.bad.revoked.cert, 'sslclient'), /certificate revoked/)
  await writeFile(join(scratch, 'leaf.pem'), cert)
  const { stdout: text } = await run('openssl', ['x509', '-noout', '-text', '-in', join(scratch, 'leaf.pem')])
  for (const words of [/Basic Constraints: critical\s+CA:FALSE/, /Key Usage: critical\s+Digital Signature\n/,
    /Extended Key Usage: \n?\s+TLS Web Client Authentication\n/, /Subject Key Identifier/, /Authority Key Identifier/]) t.match(text, words)
  const { stdout: issuing } = await run('openssl', ['x509', '-noout', '-text', '-in', join(pki.dir, 'issuing.crt')])
  t.match(issuing, /CA:TRUE, pathlen:0/)
  const { stdout: list } = await run('openssl', ['crl', '-noout', '-text', '-in', pki.files.crlFiles[0] ?? ''])
  for (const words of [/Issuing Distribution Point: critical\s+Only User Certificates/, /CRL Number/, /Key Compromise/]) t.match(list, words)
})
