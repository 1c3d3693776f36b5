import { chmod, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'tap'
import { ensureDevelopmentAuthority } from '../../certs/development.ts'
import { renewalDueMs } from '../../certs/describe.ts'

const names = ['localhost', '127.0.0.1']

test('a development authority is made once and then left alone', async (t) => {
  const dir = join(t.testdir(), 'certs')
  const first = await ensureDevelopmentAuthority(dir, names)
  t.same(first.changed, ['authority', 'server'])
  const before = await readFile(first.paths.serverCertificate, 'utf8')
  const again = await ensureDevelopmentAuthority(dir, names)
  t.same(again.changed, [])
  t.equal(await readFile(again.paths.serverCertificate, 'utf8'), before)
})

test('what is missing, stale or for other names is renewed, nothing else', async (t) => {
  const dir = join(t.testdir(), 'certs')
  const { authority, paths } = await ensureDevelopmentAuthority(dir, names)
  const ca = await readFile(paths.ca, 'utf8')
  t.same((await ensureDevelopmentAuthority(dir, [...names, 'ward-7.example'])).changed, ['server'], 'another name')
  t.same((await ensureDevelopmentAuthority(dir, names)).changed, [], 'fewer names are covered')
  // five minutes before now to 2 minutes from now: past two thirds of its life
  await authority.issueServer(names, { days: 2 / 1_440 })
  t.ok(Date.now() > renewalDueMs(await readFile(paths.serverCertificate, 'utf8')))
  t.same((await ensureDevelopmentAuthority(dir, names)).changed, ['server'], 'near its end')
  await rm(paths.serverKey)
  t.same((await ensureDevelopmentAuthority(dir, names)).changed, ['server'], 'its key is gone')
  await rm(paths.issuingCrl)
  t.same((await ensureDevelopmentAuthority(dir, names)).changed, ['lists'], 'a list is gone')
  t.equal(await readFile(paths.ca, 'utf8'), ca)
})

test('an exposed key is reported, not quietly replaced', async (t) => {
  const dir = join(t.testdir(), 'certs')
  const { paths } = await ensureDevelopmentAuthority(dir, names)
  await chmod(paths.serverKey, 0o644)
  await t.rejects(ensureDevelopmentAuthority(dir, names), { code: 'CERTS_KEY_EXPOSED' })
  await chmod(paths.serverKey, 0o600)
  await writeFile(paths.serverCertificate, 'no certificate')
  await t.resolves(ensureDevelopmentAuthority(dir, names), 'a damaged certificate is only made anew')
  t.ok((await stat(paths.serverCertificate)).size > 500)
})
