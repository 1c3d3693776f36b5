// The trail of a process without a database: what the disk did not take at first is not forgotten.
import { EventEmitter, once } from 'node:events'
import { readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'tap'
import { auditSpoolFolder } from '../../certs/audit-spool.ts'
import { createSpoolTrail } from '../../certs/spool-trail.ts'
import { type SpooledEvent } from '../../runtime/audit-spool.ts'
import { quietObservability } from '../../runtime/observability.ts'
import { viewed } from '../fixtures/audit.ts'
import { testFolder } from '../fixtures/folder.ts'

const { log } = quietObservability()

/** A log that tells what was said as an error, and when. */
function listener (): { said: unknown[], heard: () => Promise<unknown>, log: typeof log } {
  const said: unknown[] = []
  const heard = new EventEmitter()
  const error = (about: unknown): void => { said.push(about); heard.emit('error said') }
  return { said, heard: () => once(heard, 'error said'), log: { ...log, error } as typeof log }
}

async function spooled (directory: string): Promise<Array<SpooledEvent['event']>> {
  const folder = auditSpoolFolder(directory)
  return Promise.all((await readdir(folder)).sort().map(async (name) => (JSON.parse(await readFile(join(folder, name), 'utf8')) as SpooledEvent).event))
}

test('events that could not be written are written when the disk takes them again, with the next one or at the end', async (t) => {
  const directory = testFolder(t)
  const { heard, log } = listener()
  const trail = createSpoolTrail(directory, 'pulsegate est', log)
  const failed = heard()
  await writeFile(auditSpoolFolder(directory), 'in the way')
  for (let i = 0; i < 3; i++) trail.record(viewed(i, { atMs: 1_700_000_000_000 + i }))
  await failed
  await rm(auditSpoolFolder(directory))
  trail.record(viewed(3, { atMs: 1_700_000_000_003 }))
  await trail.close()
  t.match(await spooled(directory), [0, 1, 2, 3].map((id) => ({ entity: { id: String(id) } })))

  await rm(auditSpoolFolder(directory), { recursive: true })
  await writeFile(auditSpoolFolder(directory), 'in the way')
  const again = heard()
  for (let i = 0; i < 3; i++) trail.record(viewed(i, { atMs: 1_700_000_000_000 + i }))
  await again
  await rm(auditSpoolFolder(directory))
  await trail.close()
  t.match(await spooled(directory), [0, 1, 2].map((id) => ({ entity: { id: String(id) } })), 'the tail, at the end')
})

test('what is more than may wait is counted, and the count is written', async (t) => {
  const directory = testFolder(t)
  const trail = createSpoolTrail(directory, 'pulsegate est', log, 5)
  for (let i = 0; i < 20; i++) trail.record(viewed(i, { atMs: 1_700_000_000_000 + i }))
  await trail.close()
  const events = await spooled(directory)
  const told = events.filter(({ type }) => type === 'quarantine').length
  t.match(events.find(({ type }) => type === 'audit'), { subtype: 'overflow', count: 20 - told, agent: { id: 'pulsegate est' } })
})

test('a disk that takes nothing until the end is told in the log', async (t) => {
  const directory = testFolder(t, { audit: 'in the way' })
  const { said, log } = listener()
  const trail = createSpoolTrail(directory, 'pulsegate est', log)
  for (let i = 0; i < 3; i++) trail.record(viewed(i))
  await trail.close()
  t.match(said.at(-1), { lost: 3 })
})
