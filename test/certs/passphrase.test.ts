// Keys under a passphrase from a file.
import { execFile } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { chmod, mkdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { test } from 'tap'
import { initAuthority, openAuthority } from '../../certs/authority.ts'
import { changePassphrase } from '../../certs/change-passphrase.ts'
import { activate, prepare } from '../../certs/rotation.ts'
import { loadCredentials } from '../../broker/credentials.ts'
import { readPassphrase } from '../../runtime/passphrase.ts'
import { createPki } from '../fixtures/pki.ts'

const run = promisify(execFile)
const [one, two] = ['correct horse battery', 'quite another phrase']

test('an authority\'s keys are encrypted from the first byte, and OpenSSL can open them', async (t) => {
  const base = t.testdir()
  const dir = join(base, 'certs')
  const authority = await initAuthority(dir, { passphrase: one })
  for (const name of ['root.key', 'issuing.key']) t.match(await readFile(join(dir, name), 'utf8'), /BEGIN ENCRYPTED PRIVATE KEY/)
  await authority.issueDevice(randomUUID())
  await authority.writeCrls({ root: 'required' })
  await t.rejects(openAuthority(dir), { code: 'CERTS_PASSPHRASE_UNUSABLE', message: /issuing\.key is encrypted/ })
  const wrong: unknown = await openAuthority(dir, { passphrase: two }).catch((error: unknown) => error)
  t.match(wrong, { code: 'CERTS_PASSPHRASE_UNUSABLE', message: /does not open .*issuing\.key/ })
  t.notMatch(String(wrong), two, 'the passphrase is not repeated')
  await writeFile(join(base, 'phrase'), `${one}\n`, { mode: 0o600 })
  const { stdout } = await run('openssl', ['pkey', '-in', join(dir, 'issuing.key'), '-passin', `file:${join(base, 'phrase')}`, '-noout', '-text_pub'])
  t.match(stdout, 'prime256v1')
  const { stdout: parsed } = await run('openssl', ['asn1parse', '-in', join(dir, 'issuing.key')])
  t.match(parsed, /scrypt[\s\S]*aes-256-cbc/)
  t.match(await openAuthority(dir, { passphrase: one }).then(async (opened) => await prepare({ paths: opened.paths, passphrase: one }, { newRoot: true })), { phase: 'prepared' })
  for (const name of ['issuing-2.key', 'root-2.key']) t.match(await readFile(join(dir, name), 'utf8'), /BEGIN ENCRYPTED PRIVATE KEY/, name)
  await activate({ paths: authority.paths, passphrase: one })
})

test('set, changed and taken away; done again it changes nothing, cut off it can be finished', async (t) => {
  const { authority, dir, files } = await createPki(t)
  const { paths } = authority
  const change = async (from: string | undefined, to: string | undefined, server = false): Promise<string[]> =>
    (await changePassphrase(paths, { from, to, server })).map((file) => file.slice(dir.length + 1))
  t.same(await change(undefined, one), ['root.key', 'issuing.key'])
  t.equal((await stat(paths.issuingKey)).mode & 0o777, 0o600)
  t.same(await change(undefined, one), [])
  t.same(await change(one, one, true), ['server/server.key'])
  await t.rejects(change(undefined, two), { code: 'CERTS_PASSPHRASE_UNUSABLE' })
  await t.rejects(change(two, undefined), { code: 'CERTS_PASSPHRASE_UNUSABLE' })
  const halfway = await readFile(paths.issuingKey)
  t.equal((await change(one, two)).length, 3)
  await writeFile(paths.issuingKey, halfway)
  t.same(await change(one, two), ['issuing.key'])

  const passphraseFile = join(t.testdir(), 'phrase')
  await writeFile(passphraseFile, `${two}\nsecond line\n`, { mode: 0o600 })
  t.match((await loadCredentials({ ...files, passphraseFile })).key, /BEGIN PRIVATE KEY/, 'the broker opens its key')
  await t.rejects(loadCredentials(files), { code: 'CERTS_PASSPHRASE_UNUSABLE', message: /server\.key is encrypted/ })
  const opened = await openAuthority(dir, { passphrase: two })
  await opened.issueServer(['localhost'])
  t.match(await readFile(files.keyFile, 'utf8'), /ENCRYPTED/, 'a new server key is as the one before')
  t.same((await change(two, undefined)).length, 3)
  await t.resolves(openAuthority(dir))
  await t.resolves(loadCredentials(files))
})

test('a passphrase file, a key or a directory that others can read is refused with what to type [C14]', async (t) => {
  const { dir, authority } = await createPki(t)
  const folder = t.testdir()
  const file = join(folder, 'phrase')
  await writeFile(file, one, { mode: 0o600 })
  t.equal(await readPassphrase(file), one)
  for (const mode of [0o644, 0o660, 0o604]) {
    await chmod(file, mode)
    await t.rejects(readPassphrase(file), { code: 'CERTS_KEY_EXPOSED', message: `chmod 0600 '${file}'` }, mode.toString(8))
  }
  await chmod(file, 0o600)
  await writeFile(file, 'short\n')
  await t.rejects(readPassphrase(file), { code: 'CERTS_PASSPHRASE_UNUSABLE', message: /fewer than 12/ })
  await t.rejects(readPassphrase(join(folder, 'absent')), { code: 'CERTS_PASSPHRASE_UNUSABLE', message: /ENOENT/ })
  for (const mode of [0o755, 0o750, 0o770, 0o701]) {
    await chmod(dir, mode)
    await t.rejects(openAuthority(dir), { code: 'CERTS_KEY_EXPOSED', message: `chmod 0700 '${dir}'` }, mode.toString(8))
  }
  await chmod(dir, 0o700)
  for (const key of [authority.paths.issuingKey, authority.paths.rootKey]) {
    await chmod(key, 0o640)
    await t.rejects(openAuthority(dir), { code: 'CERTS_KEY_EXPOSED', message: `chmod 0600 '${key}'` })
    await chmod(key, 0o600)
  }
  const stick = join(folder, 'stick')
  await mkdir(stick)
  await chmod(stick, 0o777)
  await t.rejects(initAuthority(join(folder, 'certs'), { rootDirectory: stick }), { code: 'CERTS_KEY_EXPOSED', message: `chmod go-w '${stick}'` })
})
