// The writer: one chain by many, exactly once whatever the connection does, bounded while the database is away, storms summed up.
import { join } from 'node:path'
import { randomUUID } from 'node:crypto'
import { readdir, writeFile } from 'node:fs/promises'
import { test } from 'tap'
import { append } from '../../../ingest/audit/append.ts'
import { stamp } from '../../../ingest/audit/event.ts'
import { startSpoolTaker } from '../../../ingest/audit/spool.ts'
import { verifyTrail } from '../../../ingest/audit/verify.ts'
import { type Database } from '../../../ingest/database.ts'
import { migrate } from '../../../ingest/migrate.ts'
import { type AuditEvent } from '../../../runtime/audit.ts'
import { spoolAll } from '../../../runtime/audit-spool.ts'
import { quietObservability } from '../../../runtime/observability.ts'
import { agent, auditBench, refused, rowsOf, viewed } from '../../fixtures/audit.ts'
import { ownServer } from '../../services/server.ts'
import { needsServices } from '../../services/skip.ts'

test('what is recorded is in the chain, with all its fields, and can be verified', needsServices, async (t) => {
  const { owner, folder, open, signer } = await auditBench(t)
  const log = open({ source: { node: 'ward7', version: '1.2.3' } })
  const event: AuditEvent = {
    type: 'authorization',
    subtype: 'denied',
    action: 'E',
    outcome: 'minor-failure',
    reason: 'foreign-topic',
    purpose: 'ünïcode "quoted" \u2028',
    agent: { id: 'a', role: 'device', address: '::1', certificateIssuer: 'CN=x', certificateSerial: '0A' },
    entity: { type: 'topic', id: 'b', tenant: 'north' },
    requestId: 'r-1',
    detail: { n: 1.5, big: 1e21, minus: -0, yes: true, nothing: null, odd: Number.NaN, 'nul\0': 'half \ud800 pair\0', long: 'x'.repeat(5_000) },
    atMs: 1_700_000_000_123
  }
  log.record(event)
  await log.recordNow(viewed(17, { purpose: 'looking for the cause' }))
  const { rows } = await owner.query('SELECT number::int, recorded, action, reason, purpose, agent, agent_role, agent_address, certificate_issuer, certificate_serial, source_node, source_version, entity_type, entity, entity_tenant, request_id, count::int, detail FROM audit_trail ORDER BY number')
  t.match(rows[0], {
    number: 1,
    recorded: new Date(1_700_000_000_123),
    action: 'E',
    reason: 'foreign-topic',
    purpose: 'ünïcode "quoted" \u2028',
    agent: 'a',
    agent_role: 'device',
    agent_address: '::1',
    certificate_issuer: 'CN=x',
    certificate_serial: '0A',
    source_node: 'ward7',
    source_version: '1.2.3',
    entity_type: 'topic',
    entity: 'b',
    entity_tenant: 'north',
    request_id: 'r-1',
    count: 1,
    detail: { n: 1.5, big: 1e21, minus: 0, yes: true, nothing: null, odd: null, 'nul\ufffd': 'half \ufffd pair\ufffd' }
  })
  t.match(rows[1], { number: 2, entity: '17', purpose: 'looking for the cause', detail: null })
  await (await signer()).sign()
  t.match(await verifyTrail({ database: owner, folder }), { ok: true, rows: 2, faults: [] })
})

test('writers of several processes at once: one chain, no fork and no gap', needsServices, async (t) => {
  const { owner, folder, open, signer } = await auditBench(t)
  const logs = [open({ limits: { maxBatch: 7, flushAfterMs: 1 } }), open({ limits: { maxBatch: 5, flushAfterMs: 1 } }), open({ limits: { flushAfterMs: 2 } })]
  const now: Array<Promise<void>> = []
  for (let i = 0; i < 300; i++) {
    for (const [who, log] of logs.entries()) log.record(viewed(`${who}-${i}`))
    if (i % 50 === 0) now.push(...logs.map((log) => log.recordNow(viewed(`now-${i}`))))
    if (i % 20 === 0) await new Promise((resolve) => { setImmediate(resolve) })
  }
  await Promise.all(now)
  for (const log of logs) await log.flush()
  await (await signer()).sign()
  t.match(await verifyTrail({ database: owner, folder }), { ok: true, rows: 918, lastNumber: 918 })
  t.strictSame((await owner.query('SELECT count(DISTINCT id)::int AS ids FROM audit')).rows, [{ ids: 918 }])
})

test('the answer of a COMMIT is lost: the event is told again and is one row', needsServices, async (t) => {
  const { owner, ingest, open } = await auditBench(t)
  let lost = 0
  const lossy: Database = {
    ...boundTo(ingest),
    async transaction (work, signal) {
      await ingest.transaction(work, signal) // committed
      if (lost++ < 2) throw new Error('Connection terminated unexpectedly')
      return await ingest.transaction(work, signal)
    }
  }
  const log = open({ database: lossy })
  log.record(viewed(1))
  log.record(viewed(2))
  await log.recordNow(viewed(3))
  t.ok(lost >= 3, 'the answer was lost twice')
  t.match(await rowsOf(owner), [{ number: 1, entity: '1' }, { number: 2, entity: '2' }, { number: 3, entity: '3' }])
})

test('the database is away and comes back: nothing is lost up to the bound, beyond it events are counted', { ...needsServices, timeout: 120_000 }, async (t) => {
  const server = await ownServer(t)
  await migrate(server.url)
  const { owner, folder, open, signer } = await auditBench(t, server.url)
  const log = open({ limits: { maxWaiting: 100, flushAfterMs: 10, patienceMs: 300, failuresPerS: 1_000_000 } })
  await log.recordNow(viewed(0))
  await server.stop()
  for (let i = 1; i <= 100; i++) log.record(viewed(i))
  for (let i = 0; i < 30; i++) log.record(refused('a'))
  for (let i = 0; i < 7; i++) log.record(refused('b', 'certificate-revoked'))
  t.match(log.check(), { ready: true, reason: /100 events wait for the database, more are only counted/, detail: { waiting: 100, overflowed: 37 } })
  await t.rejects(log.recordNow(viewed('unrecorded')), { code: 'AUDIT_UNAVAILABLE' }, 'what must not happen unrecorded does not')
  await server.start()
  for (let waiting = true; waiting;) waiting = await log.flush().then(() => false, () => true)
  t.strictSame((await owner.query("SELECT count(*)::int AS rows, count(DISTINCT entity)::int AS entities FROM audit WHERE type = 'quarantine'")).rows, [{ rows: 101, entities: 101 }])
  t.match(await rowsOf(owner, "subtype = 'overflow'"), [
    { outcome: 'serious-failure', agent: agent.id, count: 30, detail: { type: 'connection', subtype: 'refused', outcome: 'minor-failure', reason: 'certificate-expired' } },
    { count: 7, detail: { reason: 'certificate-revoked' } }])
  t.match(log.check(), { ready: true, reason: undefined })
  await (await signer()).sign()
  t.match(await verifyTrail({ database: owner, folder }), { ok: true })
})

test('recordNow gives up in time, and what was refused is not recorded later as done', needsServices, async (t) => {
  const { owner, ingest, open } = await auditBench(t)
  let away = true
  const flaky: Database = { ...boundTo(ingest), transaction: (work, signal) => away ? Promise.reject(new Error('connect ECONNREFUSED')) : ingest.transaction(work, signal) }
  const log = open({ database: flaky, limits: { patienceMs: 200, flushAfterMs: 5 } })
  log.record(viewed('waits'))
  const startedMs = performance.now()
  await t.rejects(log.recordNow(viewed('refused')), { code: 'AUDIT_UNAVAILABLE' })
  t.ok(performance.now() - startedMs < 3_000)
  away = false
  for (let waiting = true; waiting;) waiting = await log.flush().then(() => false, () => true)
  t.strictSame((await rowsOf(owner)).map(({ entity }) => entity), ['waits'])
})

test('a login that may not append is told at once', needsServices, async (t) => {
  const { owner, open } = await auditBench(t)
  await owner.query('REVOKE INSERT ON audit FROM pulsegate_ingest')
  const log = open({ limits: { patienceMs: 60_000 } })
  await t.rejects(log.recordNow(viewed(1)), { code: 'AUDIT_UNAVAILABLE', message: /this login may not add to the audit trail/ })
})

test('a storm of the same is summed up by the second; what a person did is not', needsServices, async (t) => {
  const { owner, open } = await auditBench(t)
  const log = open({ limits: { failuresPerS: 10, flushAfterMs: 20 } })
  for (let i = 0; i < 500; i++) log.record(refused('the-same'))
  for (let i = 0; i < 300; i++) log.record(refused(`device-${i}`, 'not-active'))
  for (let i = 0; i < 30; i++) log.record(viewed(i))
  await log.flush()
  t.strictSame((await owner.query('SELECT reason, count(*)::int AS rows, sum(count)::int AS events FROM audit GROUP BY reason ORDER BY reason')).rows, [
    { reason: 'certificate-expired', rows: 11, events: 500 }, { reason: 'not-active', rows: 11, events: 300 }, { reason: null, rows: 30, events: 30 }])
  t.match(await rowsOf(owner, 'count > 1'), [{ agent: 'the-same', count: 490, detail: { agents: 1 } }, { agent: '(several)', count: 290, detail: { agents: 290 } }])
})

test('a row that the database does not take does not hold up the others, and is counted', needsServices, async (t) => {
  const { owner, open } = await auditBench(t)
  await owner.query("ALTER TABLE audit ADD CONSTRAINT odd CHECK (entity IS DISTINCT FROM 'poison')")
  const log = open()
  for (const id of ['before', 'poison', 'after']) log.record(viewed(id))
  await log.flush()
  t.match(await rowsOf(owner), [{ number: 1, entity: 'before' }, { number: 2, entity: 'after' }, { number: 3, subtype: 'overflow', count: 1, detail: { type: 'quarantine', subtype: 'viewed' } }])
})

test('what is left at the end goes to the spool, and from there into the chain exactly once', needsServices, async (t) => {
  const { owner, ingest, folder, open } = await auditBench(t)
  const away: Database = { ...boundTo(ingest), transaction: () => Promise.reject(new Error('connect ECONNREFUSED')) }
  const log = open({ database: away, spill: (events) => spoolAll(folder.spool, events), limits: { maxWaiting: 5 } })
  for (let i = 0; i < 8; i++) log.record(viewed(i, { atMs: 1_700_000_000_000 + i }))
  await log.close(AbortSignal.abort())
  t.equal((await readdir(folder.spool)).length, 6, 'five events, and the count of three')
  const bad = `1700000000000-${randomUUID()}.json`
  await writeFile(join(folder.spool, bad), '{"id":"x","event":{"type":"nonsense"}}\n')

  const takers = [0, 1].map(() => startSpoolTaker({ database: ingest, folders: [folder.spool, join(folder.directory, 'none')], observability: quietObservability(), everyMs: 60_000 }))
  await Promise.allSettled(takers.map((taker) => taker.take()))
  for (const taker of takers) { await taker.take(); await taker.close() }
  t.match(await rowsOf(owner), [0, 1, 2, 3, 4].map((i) => ({ number: i + 1, entity: String(i) })))
  t.strictSame((await owner.query('SELECT count(*)::int AS rows, sum(count)::int AS events FROM audit')).rows, [{ rows: 6, events: 8 }])
  t.strictSame(await readdir(folder.spool), [`${bad}.bad`], 'what is no event is kept beside')
})

test('an event with the same id is one row, also within one batch', needsServices, async (t) => {
  const { owner, ingest } = await auditBench(t)
  const event = stamp(viewed(1), { node: 'n', version: 'v' })
  t.match(await append(ingest, [event, event]), { written: 1, head: { number: 1 } })
  t.match(await append(ingest, [event]), { written: 0, head: { number: 1 } })
  t.equal((await rowsOf(owner)).length, 1)
})

/** The database's methods, for a test to put one of its own in their place. */
function boundTo (database: Database): Database {
  return {
    query: (text, values) => database.query(text, values),
    transaction: (work, signal) => database.transaction(work, signal),
    withClient: (work) => database.withClient(work),
    edition: () => database.edition(),
    close: (hard) => database.close(hard)
  }
}
