// The operators' authority: its lists are renewed in time, its keys may be under a passphrase, and so may a person's.
import { createPrivateKey, X509Certificate } from 'node:crypto'
import { readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'tap'
import { initAuthority } from '../../certs/authority.ts'
import { changePassphrase } from '../../certs/change-passphrase.ts'
import { authorityPaths } from '../../certs/files.ts'
import { issueOperator, operatorsDirectory, renewOperatorLists } from '../../certs/operators.ts'
import { listStates } from '../../certs/revocation.ts'
import { prepare } from '../../certs/rotation.ts'
import { pemBlocks } from '../../runtime/pem.ts'
import { agedOperatorLists } from '../fixtures/admin.ts'

const passphrase = 'correct horse battery'
const nextUpdateMs = async (dir: string): Promise<number> => (await listStates(authorityPaths(operatorsDirectory(dir))))[0]?.nextUpdate.getTime() ?? 0

test('lists are renewed when they are past half of their life, and only then', async (t) => {
  const dir = join(t.testdir(), 'certs')
  await initAuthority(dir)
  t.equal(await renewOperatorLists(dir), false, 'there are no operators')
  await issueOperator(dir, { name: 'alice', role: 'operator' })
  t.equal(await renewOperatorLists(dir), false, 'they are fresh')
  for (const days of [16, 40]) {
    await agedOperatorLists(dir, days)
    t.equal(await renewOperatorLists(dir), true, `${days} days old`)
    t.ok(await nextUpdateMs(dir) > Date.now() + 29 * 86_400_000)
  }
})

test('the operators\' authority is made, used and renewed under a passphrase', async (t) => {
  const dir = join(t.testdir(), 'certs')
  await initAuthority(dir, { passphrase })
  await t.rejects(issueOperator(dir, { name: 'alice', role: 'operator' }), { code: 'CERTS_PASSPHRASE_UNUSABLE' }, 'where the fleet\'s keys are encrypted no plain ones are made beside them')
  await issueOperator(dir, { name: 'alice', role: 'operator' }, { passphrase })
  const { issuingKey, rootKey } = authorityPaths(operatorsDirectory(dir))
  for (const file of [issuingKey, rootKey]) t.match(await readFile(file, 'utf8'), 'BEGIN ENCRYPTED PRIVATE KEY', file)
  await t.rejects(issueOperator(dir, { name: 'bob', role: 'viewer' }), { code: 'CERTS_PASSPHRASE_UNUSABLE' })
  await issueOperator(dir, { name: 'bob', role: 'viewer' }, { passphrase })
  await agedOperatorLists(dir, 16, passphrase)
  await t.rejects(renewOperatorLists(dir, { passphrase: 'another passphrase' }), { code: 'CERTS_PASSPHRASE_UNUSABLE' })
  t.equal(await renewOperatorLists(dir, { passphrase }), true)
})

test('plain keys of before come under a passphrase, and work on', async (t) => {
  const dir = join(t.testdir(), 'certs')
  await initAuthority(dir)
  await issueOperator(dir, { name: 'alice', role: 'operator' })
  await changePassphrase(authorityPaths(operatorsDirectory(dir)), { from: undefined, to: passphrase, server: false })
  await issueOperator(dir, { name: 'bob', role: 'viewer' }, { passphrase })
})

test('a person\'s key may be under a passphrase of its own', async (t) => {
  const dir = join(t.testdir(), 'certs')
  await initAuthority(dir)
  const { keyFile } = await issueOperator(dir, { name: 'alice', role: 'operator', keyPassphrase: passphrase })
  const pem = await readFile(keyFile ?? '', 'utf8')
  t.match(pem, 'BEGIN ENCRYPTED PRIVATE KEY')
  t.ok(createPrivateKey({ key: pem, passphrase }))
  t.equal((await stat(keyFile ?? '')).mode & 0o777, 0o600)
})

test('the operators\' authority has names of its own, and keeps them when its CA changes', async (t) => {
  const dir = join(t.testdir(), 'certs')
  await initAuthority(dir)
  await issueOperator(dir, { name: 'alice', role: 'viewer' })
  const paths = authorityPaths(operatorsDirectory(dir))
  const namesIn = async (): Promise<string[]> => pemBlocks(await readFile(paths.ca, 'utf8'), 'CERTIFICATE').map((pem) => new X509Certificate(pem).subject)
  t.strictSame(await namesIn(), ['CN=Pulsegate operators issuing CA', 'CN=Pulsegate operators root CA'])
  await prepare({ paths }, { newRoot: true })
  t.strictSame((await namesIn()).filter((name) => name.endsWith(' 2')).slice(0, 2), ['CN=Pulsegate operators issuing CA 2', 'CN=Pulsegate operators root CA 2'])
})
