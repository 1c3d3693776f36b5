// The database goes away: nothing is lost, nothing is acknowledged too early, and it heals without a restart.
import { test } from 'tap'
import { openDatabase } from '../../ingest/database.ts'
import { startHeartbeat } from '../../ingest/heartbeat.ts'
import { migrate } from '../../ingest/migrate.ts'
import { quietObservability } from '../../runtime/observability.ts'
import { count, ingestBench } from '../fixtures/ingest.ts'
import { deliver, type Delivery, deviceId, telemetry } from '../fixtures/deliveries.ts'
import { ownServer } from '../services/server.ts'

const now = Date.now()
const messages = (from: number, to: number): Delivery[] => Array.from({ length: to - from }, (_, i) =>
  deliver(deviceId(1), telemetry(from + i, { header: { boot: 1n, baseTickMs: 0, baseWallMs: now } })))

async function until (reached: () => boolean): Promise<void> {
  while (!reached()) await new Promise((resolve) => setTimeout(resolve, 10))
}

test('a server that stops, and one that is killed while it commits [C16]', async (t) => {
  const server = await ownServer(t)
  await migrate(server.url, { log: quietObservability().log })
  const bench = await ingestBench(t, { url: server.url })
  const { send, worker } = bench.start()
  await send(...messages(0, 10))

  await server.stop()
  let settled = 0
  const waiting = messages(10, 60)
  for (const delivery of waiting) delivery.settled.then(() => { settled++ }, () => {})
  const sent = send(...waiting)
  await until(() => !worker.status().ready)
  t.match(worker.status().reason, /^database: /, 'says why it is not ready')
  t.equal(settled, 0, 'nothing is acknowledged')
  await server.start()
  t.ok((await sent).every((error) => error === null), 'all is stored once the server is back')
  t.match(worker.status(), { ready: true, reason: null, breaker: 'closed' })

  const load = send(...messages(60, 4_060))
  await server.kill()
  await server.start()
  t.ok((await load).every((error) => error === null))
  const owner = openDatabase(server.url)
  t.teardown(() => owner.close())
  t.equal(await count(owner, 'receipt'), 4_060, 'one receipt each, also for the batch whose commit was in doubt')
  t.equal(await count(owner, 'sample'), 40_600)
  const { stored, duplicate, quarantined } = worker.status().totals
  t.match({ sum: stored + duplicate, quarantined }, { sum: 4_060, quarantined: 0 })
})

test('the database has no room on its disk: nothing acknowledged, nothing quarantined; it goes on by itself when there is [C16]', async (t) => {
  const { owner, start } = await ingestBench(t)
  // what a full disk says to a batch, at its last statement, again and again
  await owner.query("CREATE FUNCTION no_room () RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'could not extend file' USING ERRCODE = 'disk_full'; END $$")
  await owner.query('CREATE TRIGGER no_room BEFORE INSERT ON rollup_mark FOR EACH ROW EXECUTE FUNCTION no_room()')
  const { send, worker } = start()
  let settled = 0
  const waiting = messages(0, 50)
  for (const delivery of waiting) delivery.settled.then(() => { settled++ }, () => {})
  const sent = send(...waiting)
  await until(() => worker.status().breaker === 'open')
  t.match(worker.status(), { ready: false, reason: /53100/ })
  t.equal(settled, 0)
  t.equal(await count(owner, 'receipt'), 0, 'a batch is stored whole or not at all')
  await owner.query('DROP TRIGGER no_room ON rollup_mark')
  t.ok((await sent).every((error) => error === null))
  t.equal(await count(owner, 'receipt'), 50)
  t.equal(await count(owner, 'quarantine'), 0)
})

test('a right that is missing: not ready, nothing acknowledged, nothing quarantined; granting it is enough', async (t) => {
  const bench = await ingestBench(t)
  await bench.owner.query('REVOKE INSERT ON receipt FROM pulsegate_ingest')
  const { send, worker } = bench.start()
  const sent = send(...messages(0, 5))
  await until(() => !worker.status().ready)
  t.match(worker.status().reason, /42501/)
  await bench.owner.query('GRANT INSERT ON receipt TO pulsegate_ingest')
  t.ok((await sent).every((error) => error === null))
  t.equal(await count(bench.owner, 'quarantine'), 0)
  t.equal(await count(bench.owner, 'receipt'), 5)
})

test('a hard stop in an outage gives up at once and acknowledges nothing', async (t) => {
  const bench = await ingestBench(t)
  await bench.owner.query('REVOKE INSERT ON receipt FROM pulsegate_ingest')
  const { queue, send, worker } = bench.start()
  const sent = send(...messages(0, 5))
  await until(() => !worker.status().ready)
  const hard = new AbortController()
  const closing = queue.close(hard.signal)
  hard.abort()
  await closing
  await worker.close(hard.signal)
  t.ok((await sent).every((error) => error !== null))
  t.equal(await count(bench.owner, 'receipt'), 0)
})

test('a server that hangs: not ready within seconds, whether a message waits for it or not', { timeout: 120_000 }, async (t) => {
  const server = await ownServer(t)
  await migrate(server.url, { log: quietObservability().log })
  const bench = await ingestBench(t, { url: server.url })
  const { send, worker } = bench.start()
  await send(...messages(0, 10))
  const database = openDatabase(server.url, { statementTimeoutMs: 2_000 })
  t.teardown(() => database.close())
  const heartbeat = startHeartbeat(database, { everyMs: 20, patienceMs: 200 })
  t.teardown(() => heartbeat.close())
  await until(() => heartbeat.fault === null)

  await server.freeze()
  const frozenAt = performance.now()
  await until(() => heartbeat.fault !== null)
  t.match(heartbeat.fault, /^database: no answer for /)
  t.ok(worker.status().ready, 'the worker cannot know: nothing waits')
  // what was asked of the device a second ago is stale by now: the batch hangs while it is prepared
  await until(() => performance.now() - frozenAt > 1_100)
  const sent = send(...messages(10, 20))
  await until(() => !worker.status().ready)
  t.match(worker.status().reason, /^database: a batch has been waiting for 1\d s/, 'long before its statement times out')
  await server.thaw()
  t.ok((await sent).every((error) => error === null), 'all is stored once it answers')
  await until(() => heartbeat.fault === null)
  t.match(worker.status(), { ready: true, reason: null })
})
