// The spool: one file that nobody can take in holds up none of the others, and what came last is taken in before the end.
import { randomUUID } from 'node:crypto'
import { mkdir, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test, type Test } from 'tap'
import { type SpoolTaker, startSpoolTaker } from '../../../ingest/audit/spool.ts'
import { type Database } from '../../../ingest/database.ts'
import { spool } from '../../../runtime/audit-spool.ts'
import { quietObservability } from '../../../runtime/observability.ts'
import { auditBench, rowsOf, viewed } from '../../fixtures/audit.ts'
import { testFolder } from '../../fixtures/folder.ts'
import { needsServices } from '../../services/skip.ts'

function taker (t: Test, database: Database, ...folders: string[]): SpoolTaker {
  const started = startSpoolTaker({ database, folders, observability: quietObservability(), everyMs: 3_600_000 })
  t.teardown(() => started.close())
  return started
}

const nameAt = (atMs: number): string => `${String(atMs).padStart(13, '0')}-${randomUUID()}.json`

test('a file that is no event, in whatever way, is kept beside; the others are taken in', needsServices, async (t) => {
  const { owner, ingest } = await auditBench(t)
  const folder = testFolder(t)
  const good = { id: randomUUID(), source: { node: 'ca', version: '1' }, event: viewed('good') }
  const bad: unknown[] = [
    'nonsense',
    { ...good, id: randomUUID(), event: { ...viewed(1), agent: { id: 'a' } } },
    { ...good, id: randomUUID(), event: { ...viewed(1), agent: { id: 'a', role: { of: 'all' } } } },
    { ...good, id: randomUUID(), event: { ...viewed(1), reason: 7 } },
    { ...good, id: randomUUID(), event: { ...viewed(1), entity: { type: 'device' } } },
    'x'.repeat(2_000_000)
  ]
  for (const [index, what] of bad.entries()) await writeFile(join(folder, nameAt(index)), typeof what === 'string' ? what : JSON.stringify(what))
  await mkdir(join(folder, nameAt(100)))
  await writeFile(join(folder, nameAt(1_000)), JSON.stringify(good))
  await taker(t, ingest, folder).take()
  t.strictSame((await rowsOf(owner)).map(({ entity }) => entity), ['good'])
  const left = await readdir(folder)
  t.equal(left.length, bad.length + 1)
  t.ok(left.every((name) => name.endsWith('.bad')), 'none is looked at again')
})

test('an event that the database does not take is kept beside; the others are taken in', needsServices, async (t) => {
  const { owner, ingest } = await auditBench(t)
  await owner.query("ALTER TABLE audit ADD CONSTRAINT odd CHECK (entity IS DISTINCT FROM 'poison')")
  const folder = testFolder(t)
  for (const [index, id] of ['first', 'poison', 'second', 'third'].entries()) await spool(folder, viewed(id, { atMs: 1_700_000_000_000 + index }))
  await taker(t, ingest, folder).take()
  t.strictSame((await rowsOf(owner)).map(({ entity }) => entity), ['first', 'second', 'third'])
  t.match(await readdir(folder), [/\.bad$/])
})

test('more bad files than are looked at in one go do not hide the good one behind them', needsServices, async (t) => {
  const { owner, ingest } = await auditBench(t)
  const folder = testFolder(t)
  for (let i = 0; i < 1_100; i++) await writeFile(join(folder, nameAt(i)), '{}')
  await spool(folder, viewed('good'))
  await taker(t, ingest, folder).take()
  t.strictSame((await rowsOf(owner)).map(({ entity }) => entity), ['good'])
})

test('a folder that cannot be read does not hold up the next one, and is told', needsServices, async (t) => {
  const { owner, ingest } = await auditBench(t)
  const base = testFolder(t, { file: 'no folder' })
  const folder = join(base, 'spool')
  await spool(folder, viewed('good'))
  await t.rejects(taker(t, ingest, join(base, 'file'), folder).take(), { code: 'ENOTDIR' })
  t.strictSame((await rowsOf(owner)).map(({ entity }) => entity), ['good'])
})

test('what was left in the spool last is taken in before the process ends', needsServices, async (t) => {
  const { owner, ingest } = await auditBench(t)
  const folder = testFolder(t)
  const started = taker(t, ingest, folder)
  await started.take()
  await spool(folder, viewed('the last one'))
  await started.close()
  t.strictSame((await rowsOf(owner)).map(({ entity }) => entity), ['the last one'])
  t.strictSame(await readdir(folder), [])
})
