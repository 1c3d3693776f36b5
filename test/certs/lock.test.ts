// Two processes on one authority: what is compiled runs in processes of its own beside this one.
import { fork, spawn, type ChildProcess } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { mkdir, readFile, readdir, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { test, type Test } from 'tap'
import { X509Certificate } from 'node:crypto'
import { readKey } from '../../certs/files.ts'
import { withLock } from '../../certs/lock.ts'
import { pemBytes } from '../../runtime/pem.ts'
import { createPki } from '../fixtures/pki.ts'

const main = fileURLToPath(import.meta.resolve('#package')).replace(/package\.json$/, 'dist/test/fixtures/authority-main.js')

function startOne (t: Test, dir: string, work: string): ChildProcess {
  const child = fork(main, [dir, work], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'], execArgv: [] })
  t.teardown(() => { child.kill('SIGKILL') })
  return child
}

test('two processes on one authority lose no line of the journal and no entry of the list', { timeout: 120_000 }, async (t) => {
  const { authority, dir, files } = await createPki(t)
  const others = [startOne(t, dir, 'issue-and-revoke'), startOne(t, dir, 'issue-and-revoke')]
  const done = Promise.all(others.map(async (child) => await once(child, 'message') as unknown[]))
  const ours: string[] = []
  for (let i = 0; i < 15; i++) {
    const { serial } = await authority.issueDevice(randomUUID())
    await authority.revoke(serial, 'keyCompromise')
    ours.push(serial)
  }
  const theirs = (await done).flatMap(([serials]) => serials as string[])
  const records = new Map((await authority.list()).map((record) => [record.serial, record]))
  const der = pemBytes(await readFile(files.crlFiles[0] ?? '', 'utf8'))
  t.equal(theirs.length, 30)
  const serials = [...ours, ...theirs]
  t.ok(serials.every((serial) => records.get(serial)?.revoked?.reason === 'keyCompromise'), 'all are in the journal')
  t.ok(serials.every((serial) => der.includes(Buffer.from(serial, 'hex'))), 'all are on the list')
  t.same((await readdir(dir)).filter((name) => name.startsWith('lock')), [], 'the lock is gone')
})

test('a process that dies while it works holds up the others for a moment only, and its half line is dropped', { timeout: 60_000 }, async (t) => {
  const { authority, dir } = await createPki(t)
  const child = startOne(t, dir, 'die-holding')
  await once(child, 'exit')
  t.ok(await stat(join(dir, 'lock')), 'its lock is still there')
  const since = performance.now()
  const { serial } = await authority.issueDevice(randomUUID())
  t.ok(performance.now() - since < 5_000)
  t.match(await authority.show(serial), [{ serial }])
})

test('key and certificate of the broker fit together when two issue them at once', { timeout: 60_000 }, async (t) => {
  const { authority, dir, files } = await createPki(t)
  const other = startOne(t, dir, 'servers')
  const done = once(other, 'message')
  for (let i = 0; i < 10; i++) await Promise.all([authority.issueServer(['a.example']), authority.issueServer(['b.example'])])
  await done
  t.ok(new X509Certificate(await readFile(files.certFile)).checkPrivateKey(await readKey(files.keyFile)))
})

test('a lock that nobody moves any more is taken; one that is moved is not', async (t) => {
  const dir = t.testdir()
  // of another machine: only its standing still tells
  await writeFile(join(dir, 'lock'), JSON.stringify({ machine: 'elsewhere x', pid: 1, id: 'y' }))
  await t.rejects(withLock(dir, async () => 1, { waitMs: 100, staleMs: 60_000 }), { code: 'CERTS_BUSY', message: /process 1 on elsewhere/ })
  t.equal(await withLock(dir, async () => 2, { staleMs: 300 }), 2)
  let inside = 0
  const overlaps: number[] = []
  await Promise.all(Array.from({ length: 20 }, async () => await withLock(dir, async () => {
    overlaps.push(++inside)
    await setTimeout(2)
    inside--
  }, { staleMs: 300 })))
  t.ok(overlaps.every((count) => count === 1))
  await t.rejects(withLock(dir, async () => { throw new Error('work') }), { message: 'work' })
  t.equal(await withLock(dir, async () => 3), 3, 'an error lets the lock go')
})

test('a living process that stands still for long is not robbed', { timeout: 60_000 }, async (t) => {
  const { dir } = await createPki(t)
  const child = startOne(t, dir, 'stand-still')
  const ended = once(child, 'exit')
  await once(child, 'message')
  await t.rejects(withLock(dir, async () => 1, { staleMs: 300, waitMs: 1_000 }), { code: 'CERTS_BUSY', message: `process ${child.pid} on` })
  await withLock(dir, async () => { await t.rejects(stat(join(dir, 'inside')), { code: 'ENOENT' }, 'it had finished') }, { staleMs: 300 })
  t.same(await ended, [0, null], 'and found its lock as it had left it')
})

test('who was robbed all the same, by another machine, leaves the other\'s lock alone and says so', async (t) => {
  const dir = t.testdir()
  const path = join(dir, 'lock')
  const others = JSON.stringify({ machine: 'elsewhere x', pid: 1, id: 'y' })
  const robbed = withLock(dir, async () => {
    await rm(path)
    await writeFile(path, others)
    return 1
  })
  await t.rejects(robbed, { code: 'CERTS_BUSY', message: /taken over by process 1 on elsewhere/ })
  t.equal(await readFile(path, 'utf8'), others)
  await rm(path)
  await t.rejects(withLock(dir, async () => { await rm(path) }), { code: 'CERTS_BUSY', message: /taken away/ })
})

test('a lock of a process that has ended is taken at once, also when its number belongs to another by now', async (t) => {
  const dir = t.testdir()
  const path = join(dir, 'lock')
  const ours = await withLock(dir, async () => JSON.parse(await readFile(path, 'utf8')) as { pid: number, started: string })
  // where there is no /proc, only a number that nobody has tells
  const reused = process.platform === 'linux' ? [{ ...ours, started: `${ours.started}0` }] : []
  for (const dead of [...reused, { ...ours, pid: 0x3fffffff }]) {
    await writeFile(path, JSON.stringify(dead))
    t.equal(await withLock(dir, async () => 1, { waitMs: 0, staleMs: 60_000 }), 1)
  }
})

test('a lock of our own that was left behind holds up nobody; one that we hold does, by whatever path it is asked for', async (t) => {
  const dir = join(t.testdir(), 'certs')
  const other = join(t.testdirName, 'other')
  await mkdir(dir)
  await symlink(dir, other)
  const path = join(dir, 'lock')
  const ours = await withLock(dir, async () => {
    await t.rejects(withLock(other, async () => 1, { waitMs: 400, staleMs: 100 }), { code: 'CERTS_BUSY' }, 'ours lives')
    return await readFile(path, 'utf8')
  }, { staleMs: 100 })
  await writeFile(path, ours) // as when it could not be taken away
  t.equal(await withLock(dir, async () => 1, { waitMs: 0, staleMs: 60_000 }), 1)
  t.same(await readdir(dir), [])
})

test('a process that can open no file any more lets its lock go all the same', { timeout: 60_000, skip: process.platform === 'win32' }, async (t) => {
  const { dir } = await createPki(t)
  const child = spawn('sh', ['-c', 'ulimit -n 100; exec "$0" "$@"', process.execPath, main, dir, 'run-out-of-files'], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
  t.teardown(() => { child.kill('SIGKILL') })
  t.same(await once(child, 'message'), ['worked', undefined])
  t.equal(await withLock(dir, async () => 1, { waitMs: 0, staleMs: 60_000 }), 1)
})
