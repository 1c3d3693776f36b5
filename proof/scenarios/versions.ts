// A roll-out half-way: the database has been migrated by a newer version while workers of this one go on writing, and another of
// this one starts.
import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { migrate } from '../../ingest/migrate.ts'
import { sqlDirectory } from '../../ingest/migrations.ts'
import { type Scenario } from '../scenario.ts'

// append-only, as every migration: a column nobody has to fill
const newer = `ALTER TABLE receipt ADD COLUMN proof_newer int4;
ALTER TABLE sample ADD COLUMN proof_newer int4;
`
const name = '9001_proof_newer'

export const versions: readonly Scenario[] = [{
  name: 'two-schema-versions',
  proves: 'Workers of this version go on, and start, on a database that a newer version has migrated under them.',
  expect: 'green',
  act: async ({ setup, wait, durationMs, note }) => {
    await wait(durationMs / 3)
    const { ahead } = await migrateAsNewer(setup.postgres.url)
    note(`migrated under load; this version then knows that the database is ahead by ${ahead.join(', ')}`)
    await wait(durationMs / 3)
    const [first] = setup.workers
    if (first === undefined) throw new Error('a set-up has at least one worker')
    setup.keeper.hold(first.name)
    await first.stop()
    await first.start()
    setup.keeper.started(first.name)
    setup.keeper.release(first.name)
    await wait(durationMs / 3)
  }
}]

/** As the next version would: all files of this one and one more. Gives what this version says of it. */
async function migrateAsNewer (url: string): Promise<{ ahead: string[] }> {
  const directory = await mkdtemp(join(tmpdir(), 'pulsegate-newer-'))
  try {
    await cp(sqlDirectory(), directory, { recursive: true })
    await writeFile(join(directory, `${name}.sql`), newer)
    const { applied } = await migrate(url, { directory })
    if (!applied.includes(name)) throw new Error('the newer migration was not applied')
    return await migrate(url)
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}
