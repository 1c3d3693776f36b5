// Upkeep: partitions on demand, retention by whole days, and limits on what the worker may ask for.
import { test, type Test } from 'tap'
import { openDatabase, type Database } from '../../ingest/database.ts'
import { startMaintenance } from '../../ingest/maintenance.ts'
import { dayOf, Partitions } from '../../ingest/partitions.ts'
import { isMissingPartition } from '../../ingest/sqlstate.ts'
import { type AuditEvent } from '../../runtime/audit.ts'
import { quietObservability } from '../../runtime/observability.ts'
import { storeBoot, storeDevice, storeReceipts, storeSamples, storeWave } from '../fixtures/stored.ts'
import { needsServices } from '../services/skip.ts'
import { temporaryDatabase } from '../services/timescaledb.ts'

const dayMs = 86_400_000

async function open (t: Test, edition: 'plain' | 'timescaledb-apache', role?: 'pulsegate_ingest'): Promise<{ owner: Database, worker: Database }> {
  const { url } = await temporaryDatabase(t, { edition })
  const owner = openDatabase(url)
  const worker = role === undefined ? owner : openDatabase(url, { role })
  t.teardown(async () => {
    await owner.close()
    if (worker !== owner) await worker.close()
  })
  return { owner, worker }
}

for (const edition of ['plain', 'timescaledb-apache'] as const) {
  test(`${edition}: retention drops whole days of everything, and keeps the rest`, needsServices, async (t) => {
    const { owner, worker } = await open(t, edition, 'pulsegate_ingest')
    const device = await storeDevice(owner)
    const boot = await storeBoot(owner, device, 1n, Date.now() - 40 * dayMs)
    const days = [40, 31, 29, 0]
    for (const [seq, day] of days.entries()) {
      const timeMs = Date.now() - day * dayMs - 120_000 // a minute that is over
      await storeReceipts(owner, device, boot, [{ seq, timeMs }])
      await storeSamples(owner, device, 1, [{ timeMs, value: day }])
    }
    const maintenance = startMaintenance({ database: worker, observability: quietObservability(), retentionDays: 30, retainEveryMs: 600_000, rollupEveryMs: 600_000 })
    t.teardown(() => maintenance.close())
    await maintenance.rollUp()
    await maintenance.retain()
    // whole days: the day in which the 30th day back falls is kept
    for (const table of ['sample', 'receipt', 'sample_1m', 'sample_1h']) {
      t.strictSame((await owner.query(`SELECT count(*)::int AS rows FROM ${table}`)).rows, [{ rows: 2 }], table)
    }
    t.strictSame((await owner.query("SELECT dropped_before < now() - INTERVAL '30 days' AND dropped_before > now() - INTERVAL '32 days' AS noted FROM retention")).rows, [{ noted: true }])
    t.equal(await maintenance.retain(), 0, 'nothing is left to drop')
  })

  test(`${edition}: retention proves that nothing older is left, and says so when something is [C21]`, needsServices, async (t) => {
    const { owner, worker } = await open(t, edition, 'pulsegate_ingest')
    const device = await storeDevice(owner)
    const boot = await storeBoot(owner, device, 1n, Date.now() - 40 * dayMs)
    for (const [seq, day] of [40, 0].entries()) {
      const timeMs = Date.now() - day * dayMs - 120_000
      await storeReceipts(owner, device, boot, [{ seq, timeMs }])
      await storeSamples(owner, device, 1, [{ timeMs, value: day }])
      await storeWave(owner, device, 4, { timeMs, periodUs: 1, scale: 1, offset: 0, values: [1] })
      const at = new Date(timeMs)
      await owner.query(`INSERT INTO quarantine (received_at, last_received_at, publisher, kind, reason, payload, digest)
        VALUES ($1, $1, $2, 'telemetry', 'not-cbor', '', sha256($3::text::bytea))`, [at, device.id, String(seq)])
      await owner.query("WITH k AS (INSERT INTO data_key (purpose, master, wrapped) VALUES ('export', 'm', 'w') RETURNING id) INSERT INTO export (id, key, made_at, made_by) SELECT gen_random_uuid(), id, $1, 'x' FROM k", [at])
    }
    // keys of quarantine: of an old day with nothing under it, of an old day with a message that came again since, of a day that is kept
    const oldDay = new Date(Date.now() - 40 * dayMs)
    const { rows: keys } = await owner.query<{ id: string }>(`INSERT INTO data_key (purpose, tenant, day, master, wrapped)
      SELECT 'quarantine', '', d::date, 'm', convert_to(n::text, 'UTF8') FROM unnest($1::timestamptz[]) WITH ORDINALITY AS q (d, n) RETURNING id`, [[oldDay, oldDay, new Date()]])
    await owner.query(`INSERT INTO quarantine (received_at, last_received_at, publisher, kind, reason, payload, digest, key)
      VALUES ($1, now(), $2, 'telemetry', 'not-cbor', '', sha256('again'), $3)`, [oldDay, device.id, keys[1]?.id])
    await owner.query('SELECT roll_up(1000)')
    const overdue = async () => Object.fromEntries((await worker.query<{ name: string, overdue: string }>("SELECT name, overdue FROM retention_overdue(INTERVAL '30 days') UNION ALL SELECT 'data_key', keys_overdue(INTERVAL '30 days')")).rows.map(({ name, overdue: n }) => [name, Number(n)]))
    t.strictSame(await overdue(), { sample: 1, wave: 1, receipt: 1, sample_1m: 1, sample_1h: 1, quarantine: 1, export: 1, data_key: 1 }, 'the check sees what was planted in each table')
    const events: AuditEvent[] = []
    const options = { observability: quietObservability(), retentionDays: 30, retainEveryMs: 600_000, rollupEveryMs: 600_000, audit: { record (event: AuditEvent) { events.push(event) } } }
    const maintenance = startMaintenance({ ...options, database: worker })
    t.teardown(() => maintenance.close())
    await maintenance.retain()
    t.strictSame(await overdue(), { sample: 0, wave: 0, receipt: 0, sample_1m: 0, sample_1h: 0, quarantine: 0, export: 0, data_key: 0 })
    t.match(events, [{ type: 'data', subtype: 'retention', outcome: 'success', detail: { overdue: 0, days: 30, keysDestroyed: 1 } }])
    t.strictSame((await owner.query<{ id: string }>("SELECT id FROM data_key WHERE purpose = 'quarantine' AND wrapped IS NOT NULL ORDER BY id")).rows, [{ id: keys[1]?.id }, { id: keys[2]?.id }],
      'a key goes with the last message under it')
    for (const table of ['sample', 'wave', 'receipt', 'quarantine WHERE key IS NULL', "data_key WHERE purpose = 'export' AND wrapped IS NOT NULL"]) {
      t.strictSame((await owner.query(`SELECT count(*)::int AS rows FROM ${table}`)).rows, [{ rows: 1 }], `${table}: the rest is kept`)
    }
    // a negative control: a run that takes nothing away must be found out
    await storeSamples(owner, device, 1, [{ timeMs: Date.now() - 40 * dayMs, value: 1 }])
    const idle: typeof worker = Object.assign(Object.create(worker) as typeof worker, {
      query: (text: string, values?: readonly unknown[]) => text.includes(' retain(') ? Promise.resolve({ rows: [{ dropped: 0 }] }) : worker.query(text, values)
    })
    const broken = startMaintenance({ ...options, database: idle })
    await broken.retain()
    await broken.close()
    t.match(events.at(-1), { outcome: 'minor-failure', reason: 'overdue', detail: { overdue_sample: 1 } })
  })

  test(`${edition}: retention under a day is refused`, needsServices, async (t) => {
    const { worker } = await open(t, edition, 'pulsegate_ingest')
    await t.rejects(worker.query("SELECT retain(INTERVAL '1 hour')"), { code: '22023' })
  })

  test(`${edition}: a worker may write as late as retention and a day ahead`, needsServices, async (t) => {
    const { worker } = await open(t, edition, 'pulsegate_ingest')
    const partitions = new Partitions(worker)
    for (const days of [-399, -7, 0, 1]) {
      const timeMs = Date.now() + days * dayMs
      await partitions.ensure([dayOf(timeMs)])
      await worker.query('INSERT INTO sample (time, value, device, metric, quality) VALUES ($1, 1, 1, 1, 0)', [new Date(timeMs)])
    }
    t.pass('all of them were taken')
  })
}

test('plain: a day nobody made a partition for is recognised as that', needsServices, async (t) => {
  const { worker } = await open(t, 'plain', 'pulsegate_ingest')
  const error: unknown = await worker.query("INSERT INTO sample (time, value, device, metric, quality) VALUES (now() - INTERVAL '90 days', 1, 1, 1, 0)").catch((error: unknown) => error)
  t.ok(isMissingPartition(error))
})

test('plain: partitions outside what may be stored are refused', needsServices, async (t) => {
  const { worker } = await open(t, 'plain', 'pulsegate_ingest')
  for (const days of [3, -3_700]) await t.rejects(new Partitions(worker).ensure([dayOf(Date.now()) + days]), { code: '22023' })
})

test('plain: workers that make the same days at once do not get in each other’s way', needsServices, async (t) => {
  const { owner, worker } = await open(t, 'plain', 'pulsegate_ingest')
  const days = [50, 51, 52].map((back) => dayOf(Date.now()) - back)
  await Promise.all([1, 2, 3, 4].map(() => new Partitions(worker).ensure(days)))
  const { rows } = await owner.query("SELECT count(*)::int AS partitions FROM pg_inherits WHERE inhparent = 'sample'::regclass")
  t.strictSame(rows, [{ partitions: 6 }], 'three asked for, and the three that migrate made')
})

test('plain: making a partition does not wait for a writer', needsServices, async (t) => {
  const { owner } = await open(t, 'plain')
  await owner.transaction(async (client) => {
    await client.query('INSERT INTO sample (time, value, device, metric, quality) VALUES (now(), 1, 1, 1, 0)')
    // on another connection, while the writer's transaction is open
    await new Partitions(owner).ensure([dayOf(Date.now()) - 60])
  })
  t.pass('both went through')
})

test('a failing database stops neither the timer nor closing', needsServices, async (t) => {
  const { url } = await temporaryDatabase(t, { edition: 'plain', migrated: false })
  const database = openDatabase(url)
  const maintenance = startMaintenance({ database, observability: quietObservability(), retentionDays: 90, rollupEveryMs: 5, retainEveryMs: 5 })
  await t.rejects(maintenance.rollUp(), { code: '42883' })
  await maintenance.close()
  await database.close()
})
