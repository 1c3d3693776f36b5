// Steps of changing the CA that failed or were cut off: what they leave behind keeps no secret open and holds up no revocation.
import { randomUUID } from 'node:crypto'
import { copyFile, readFile, readdir, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'tap'
import { openAuthority } from '../../certs/authority.ts'
import { changePassphrase } from '../../certs/change-passphrase.ts'
import { prepare } from '../../certs/rotation.ts'
import { createPki } from '../fixtures/pki.ts'

const [one, two] = ['correct horse battery', 'quite another phrase']

async function keysIn (dir: string): Promise<Record<string, 'plain' | 'encrypted'>> {
  const names = (await readdir(dir)).filter((name) => name.endsWith('.key')).sort()
  return Object.fromEntries(await Promise.all(names.map(async (name) => [name, (await readFile(join(dir, name), 'utf8')).includes('ENCRYPTED') ? 'encrypted' : 'plain'] as const)))
}

test('a preparation that fails leaves no copy of the issuing key, and encrypting afterwards is not undone by the next', async (t) => {
  const { authority: { paths }, dir } = await createPki(t)
  const away = join(t.testdir(), 'root.key')
  await rename(paths.rootKey, away)
  await t.rejects(prepare({ paths }, { newRoot: false }), { code: 'CERTS_ROOT_KEY_ABSENT' })
  t.same(await keysIn(dir), { 'issuing.key': 'plain' })
  await changePassphrase(paths, { from: undefined, to: one, server: false })
  await rename(away, paths.rootKey)
  await changePassphrase(paths, { from: undefined, to: one, server: false })
  await prepare({ paths, passphrase: one }, { newRoot: false })
  t.same(await keysIn(dir), { 'issuing-1.key': 'encrypted', 'issuing-2.key': 'encrypted', 'root.key': 'encrypted' })
  await t.resolves(openAuthority(dir, { passphrase: one }))
})

test('keys that a preparation left when it was killed are encrypted with the others, and are never issued from', async (t) => {
  const { authority: { paths }, dir } = await createPki(t)
  const left = join(dir, 'issuing-1.key')
  await copyFile(paths.issuingKey, left)
  await copyFile(paths.issuingKey, join(dir, 'issuing-2.key')) // any key will do: it is in no use
  await changePassphrase(paths, { from: undefined, to: one, server: false })
  t.same(await keysIn(dir), { 'issuing-1.key': 'encrypted', 'issuing-2.key': 'encrypted', 'issuing.key': 'encrypted', 'root.key': 'encrypted' })

  // one that is under a passphrase of earlier holds up nothing
  const before = await readFile(left)
  await rm(join(dir, 'issuing-2.key'))
  await changePassphrase(paths, { from: one, to: two, server: false })
  await writeFile(left, before)
  await t.resolves(changePassphrase(paths, { from: two, to: one, server: false }))
  await changePassphrase(paths, { from: one, to: two, server: false })
  await prepare({ paths, passphrase: two }, { newRoot: false })
  const opened = await openAuthority(dir, { passphrase: two })
  await t.resolves(opened.issueDevice(randomUUID()))
})
