// Who may do what with the trail: everybody only adds, the owner included; auditors read a view.
import { copyFile, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'tap'
import { append } from '../../../ingest/audit/append.ts'
import { stamp } from '../../../ingest/audit/event.ts'
import { openDatabase, type Database } from '../../../ingest/database.ts'
import { migrate } from '../../../ingest/migrate.ts'
import { sqlDirectory } from '../../../ingest/migrations.ts'
import { auditBench, viewed } from '../../fixtures/audit.ts'
import { testFolder } from '../../fixtures/folder.ts'
import { needsServices } from '../../services/skip.ts'
import { temporaryDatabase } from '../../services/timescaledb.ts'

const denied = '42501'

async function outcome (database: Database, statement: string): Promise<string> {
  return database.query(statement).then(() => 'yes', (error: unknown) => String((error as { code?: string }).code))
}

const changes = ["UPDATE audit SET event = '{}'", 'UPDATE audit SET number = 7 WHERE number = 1', 'DELETE FROM audit', 'TRUNCATE audit', 'DELETE FROM audit WHERE false',
  "UPDATE audit_head SET key = ''", 'DELETE FROM audit_head', 'TRUNCATE audit_head', 'TRUNCATE audit, audit_head']

test('nobody updates, deletes or truncates: not the ingest role, not a reader, not an auditor, not the owner', needsServices, async (t) => {
  const { url, owner, fill } = await auditBench(t)
  await fill(2)
  for (const statement of changes) t.equal(await outcome(owner, statement), denied, `owner: ${statement}`)
  await owner.transaction(async (client) => {
    await client.query('SET LOCAL session_replication_role = replica')
    await client.query('DELETE FROM audit')
  }).then(() => t.fail('triggers were skipped'), (error: unknown) => t.equal((error as { code?: string }).code, denied, 'not as a replica either'))
  for (const role of ['pulsegate_ingest', 'pulsegate_reader'] as const) {
    const database = openDatabase(url, { role })
    t.teardown(() => database.close())
    for (const statement of changes) t.equal(await outcome(database, statement), denied, `${role}: ${statement}`)
  }
  const asAuditor = (statement: string): Promise<string> => owner.transaction(async (client) => {
    await client.query('SET LOCAL ROLE pulsegate_auditor')
    await client.query(statement)
  }).then(() => 'yes', (error: unknown) => String((error as { code?: string }).code))
  for (const statement of ['SELECT * FROM audit_trail', 'SELECT * FROM audit_head']) t.equal(await asAuditor(statement), 'yes', `auditor: ${statement}`)
  for (const statement of [...changes, 'SELECT event FROM audit', 'SELECT * FROM sample', 'SELECT payload FROM quarantine']) t.equal(await asAuditor(statement), denied, `auditor: ${statement}`)
  t.strictSame((await owner.query('SELECT count(*)::int AS rows FROM audit')).rows, [{ rows: 2 }])
})

test('the ingest role sees of the trail what appending needs, and nothing of what it says', needsServices, async (t) => {
  const { ingest } = await auditBench(t)
  t.match(await append(ingest, [stamp(viewed(1), { node: 'n', version: 'v' })]), { written: 1 })
  t.equal(await outcome(ingest, 'SELECT number, hash, id FROM audit'), 'yes')
  for (const statement of ['SELECT event FROM audit', 'SELECT agent FROM audit', 'SELECT * FROM audit_trail', 'SELECT * FROM audit_head']) t.equal(await outcome(ingest, statement), denied, statement)
})

test('a computed column cannot be written', needsServices, async (t) => {
  const { owner, tamper, fill } = await auditBench(t)
  await fill(1)
  await tamper()
  t.equal(await outcome(owner, "UPDATE audit SET agent = 'nobody'"), '428C9')
  t.equal(await outcome(owner, "INSERT INTO audit (number, id, hash, event) VALUES (9, gen_random_uuid(), sha256(''), '{}')"), '23502', 'an event without its fields is none')
})

test('rows that somebody had put into the table before there was a chain are kept beside', needsServices, async (t) => {
  const { url } = await temporaryDatabase(t, { edition: 'plain', migrated: false })
  const directory = testFolder(t)
  const before = (await readdir(sqlDirectory())).filter((name) => /^\d{4}_/.test(name) && Number(name.slice(0, 4)) < 10)
  for (const name of before) await copyFile(join(sqlDirectory(), name), join(directory, name))
  await writeFile(join(directory, 'grants.sql'), 'SELECT 1')
  await migrate(url, { directory })
  const owner = openDatabase(url)
  t.teardown(() => owner.close())
  await owner.query("INSERT INTO audit (action, type, outcome) VALUES ('R', 'by hand', 'success')")
  await migrate(url)
  t.match((await owner.query('SELECT type FROM audit_unchained')).rows, [{ type: 'by hand' }])
  t.strictSame((await owner.query('SELECT count(*)::int AS rows FROM audit')).rows, [{ rows: 0 }])
})
