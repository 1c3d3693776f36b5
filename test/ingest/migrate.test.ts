import { test } from 'tap'
import { openDatabase } from '../../ingest/database.ts'
import { migrate } from '../../ingest/migrate.ts'
import { temporaryDatabase } from '../services/timescaledb.ts'

for (const edition of ['timescaledb-apache', 'plain'] as const) {
  test(`${edition}: a second migrate has nothing to do`, async (t) => {
    const { url } = await temporaryDatabase(t, { edition, migrated: false })
    const first = await migrate(url)
    t.equal(first.edition, edition)
    t.ok(first.applied.length >= 5)
    t.strictSame(await migrate(url), { applied: [], edition, ahead: [] })
  })

  test(`${edition}: a template's clone is migrated`, async (t) => {
    const { url } = await temporaryDatabase(t, { edition })
    const database = openDatabase(url)
    t.teardown(() => database.close())
    t.equal(await database.edition(), edition)
    t.strictSame((await migrate(url)).applied, [])
  })
}
