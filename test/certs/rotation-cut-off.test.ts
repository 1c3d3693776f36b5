// Steps of changing the CA that failed or were cut off: what they leave behind keeps no secret open and holds up no revocation.
import { randomUUID } from 'node:crypto'
import { copyFile, mkdir, readFile, readdir, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'tap'
import { loadCredentials } from '../../broker/credentials.ts'
import { openAuthority } from '../../certs/authority.ts'
import { changePassphrase } from '../../certs/change-passphrase.ts'
import { type AuthorityPaths } from '../../certs/files.ts'
import { activate, prepare, retire, rollback, type StepReport } from '../../certs/rotation.ts'
import { createPki } from '../fixtures/pki.ts'

const [one, two] = ['correct horse battery', 'quite another phrase']

/** As if the power had failed right after authority.json was written: everything that follows from it is as before. */
async function cutOff (paths: AuthorityPaths, step: () => Promise<StepReport>): Promise<void> {
  const files = [paths.ca, paths.rootCertificate, paths.issuingCertificate, paths.issuingCrl, paths.rootCrl, paths.serverKey, paths.serverCertificate]
  const before = await Promise.all(files.map(async (file) => await readFile(file)))
  await step()
  for (const [index, file] of files.entries()) await writeFile(file, before[index] as Buffer)
}

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

test('while a step is cut off, a revocation takes effect at brokers, also without the root key; the next step finishes the first [C4]', async (t) => {
  for (const newRoot of [false, true]) {
    const { authority, files } = await createPki(t)
    const { paths } = authority
    const stick = join(t.testdir(), String(newRoot))
    await mkdir(stick)
    const takenAway = async (): Promise<void> => { for (const name of (await readdir(paths.directory)).filter((name) => /^root.*key$/.test(name))) await rename(join(paths.directory, name), join(stick, name)) }
    const broughtBack = async (): Promise<void> => { for (const name of await readdir(stick)) await rename(join(stick, name), join(paths.directory, name)) }
    const revokesAnother = async (what: string): Promise<void> => {
      await takenAway()
      const { serial } = await authority.issueDevice(randomUUID())
      await authority.revoke(serial, 'keyCompromise')
      const { trust } = await loadCredentials(files)
      t.ok(trust.revoked.has(serial) && (what === 'rollback' || trust.revoked.has(old.serial)), `${what}, new root: ${newRoot}`)
      await broughtBack()
    }
    const old = await authority.issueDevice(randomUUID())
    await authority.revoke(old.serial, 'keyCompromise')
    await cutOff(paths, () => prepare({ paths }, { newRoot }))
    await revokesAnother('prepare')
    t.match(await activate({ paths }), { finishedEarlier: true, phase: 'prepared' })
    t.equal((await loadCredentials(files)).trust.issuers.length, 2)
    await cutOff(paths, () => activate({ paths }))
    await revokesAnother('activate')
    t.match(await retire({ paths }, { force: true }), { finishedEarlier: true, phase: 'activated' })
    await cutOff(paths, () => retire({ paths }, { force: true }))
    await revokesAnother('retire')
    t.match(await rollback({ paths }, { force: true }), { finishedEarlier: true, phase: 'steady' })
    t.equal((await loadCredentials(files)).trust.issuers.length, 1)
    await cutOff(paths, () => rollback({ paths }, { force: true }))
    await revokesAnother('rollback')
    t.match(await rollback({ paths }, { force: true }), { finishedEarlier: true, phase: 'activated' })
    t.ok((await loadCredentials(files)).trust.revoked.has(old.serial), 'with the CA its list is back')
  }
})

test('rolling back a new root destroys its key too, or the next step does when its medium is there; the roots in use keep theirs', async (t) => {
  const { authority: { paths }, dir } = await createPki(t)
  const stick = join(t.testdir(), 'root-2.key')
  await prepare({ paths }, { newRoot: true })
  await rollback({ paths }, { force: false })
  t.same(Object.keys(await keysIn(dir)), ['issuing-1.key', 'root.key'])

  await prepare({ paths }, { newRoot: true })
  await rename(join(dir, 'root-3.key'), stick)
  await rollback({ paths }, { force: false })
  await rename(stick, join(dir, 'root-3.key'))
  await prepare({ paths }, { newRoot: true })
  t.same(Object.keys(await keysIn(dir)), ['issuing-1.key', 'issuing-4.key', 'root-4.key', 'root.key'])
  await activate({ paths })
  await rollback({ paths }, { force: false })
  await activate({ paths })
  await retire({ paths }, { force: true })
  await prepare({ paths }, { newRoot: false })
  t.same(Object.keys(await keysIn(dir)), ['issuing-4.key', 'issuing-5.key', 'root-4.key', 'root.key'], 'nor does one that was in use lose its key')
})

test('a root key under another passphrase, or damaged, holds up no device\'s revocation: its list is kept, and the report says why', async (t) => {
  const { authority, dir, files } = await createPki(t)
  const { paths } = authority
  await changePassphrase(paths, { from: undefined, to: one, server: false })
  const key = await readFile(paths.rootKey)
  await changePassphrase(paths, { from: one, to: two, server: false })
  const ours = await readFile(paths.rootKey)
  for (const [what, bytes, why] of [['of earlier', key, /passphrase does not open .*root\.key/], ['no key', 'damaged', /root\.key is not a readable private key/]] as const) {
    await writeFile(paths.rootKey, bytes)
    const opened = await openAuthority(dir, { passphrase: two })
    const { serial } = await opened.issueDevice(randomUUID())
    const { lists } = await opened.revoke(serial, 'keyCompromise')
    t.match(lists.root, { state: 'kept', why }, what)
    t.ok((await loadCredentials(files)).trust.revoked.has(serial))
    await t.rejects(opened.writeCrls({ root: 'required' }), { message: why })
  }
  await writeFile(paths.rootKey, ours)
  const opened = await openAuthority(dir, { passphrase: two })
  t.match((await opened.writeCrls()).root, { state: 'written' })
})
