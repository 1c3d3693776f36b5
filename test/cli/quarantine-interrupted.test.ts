// A replay that is interrupted, by Ctrl-C, by SIGTERM and by kill −9 at its worst moments, and begun again: the command as a process
// of its own, thousands of messages, and at the end one receipt and one set of rows for each. The worst moments are held open
// by locks, so that they are hit each time: rows stored but not marked, and a transaction that waits in the middle.
import { test, type Test } from 'tap'
import { type Database } from '../../ingest/database.ts'
import { sleep } from '../../runtime/retry.ts'
import { type CliProcess, startCli } from '../fixtures/cli-process.ts'
import { deliver, deliverBytes, deviceId, metricId, telemetry } from '../fixtures/deliveries.ts'
import { count, ingestBench } from '../fixtures/ingest.ts'
import { needsServices } from '../services/skip.ts'

const gateway = deviceId(1)
const sensor = deviceId(2)
const messages = 3_000
const where = ['--where', 'reason=not-paired']

interface Ward { readonly owner: Database, readonly replay: (...words: string[]) => CliProcess }

/** Thousands of messages in quarantine as not-paired, paired by now; some of one other reason stay. */
async function quarantined (t: Test): Promise<Ward> {
  const { owner, registry, url, start } = await ingestBench(t)
  const { send, close } = start()
  const nowMs = Date.now()
  const samples = [0, 1].map((dtMs) => ({ metric: metricId('heart-rate'), dtMs, value: 60, quality: 0 }))
  await send(...Array.from({ length: messages }, (_, seq) =>
    deliver(gateway, telemetry(seq, { header: { source: sensor, boot: 7n, baseWallMs: nowMs - 600_000 + seq, baseTickMs: seq }, samples }))),
  deliverBytes(gateway, 'telemetry', Buffer.from([0xff])))
  await close()
  await registry.pair(gateway, sensor, nowMs - 3_600_000)
  return { owner, replay: (...words) => startCli(t, 'quarantine', 'replay', '--database-url', url, '--json', ...words) }
}

interface Said { event: string, done: number, stored: number, duplicate: number, quarantined: number, lastId: number, reasons?: Record<string, number> }

/** The last line a program got. */
async function result ({ ended }: CliProcess): Promise<{ code: number | null, last: Said }> {
  const { code, out, err } = await ended
  const line = out.trim().split('\n').at(-1) ?? ''
  if (line === '') throw new Error(`the command said nothing; ${err}`)
  return { code, last: JSON.parse(line) as Said }
}

/** Holds what `lock` locks until the replay waits for it, does `then`, lets go. */
async function whileItWaits (owner: Database, lock: string, start: () => CliProcess, then: (replay: CliProcess) => Promise<void> | void): Promise<CliProcess> {
  return owner.withClient(async (client) => {
    await client.query('BEGIN')
    await client.query(lock)
    const replay = start()
    const deadline = Date.now() + 60_000
    for (;;) {
      const { rows } = await owner.query("SELECT FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'pulsegate replay' AND wait_event_type = 'Lock'")
      if (rows.length > 0) break
      if (Date.now() > deadline || replay.child.exitCode !== null) throw new Error(`the replay never waited: ${JSON.stringify(await replay.ended)}`)
      // the lock's own transaction must not be taken for idle
      await client.query('SELECT 1')
      await sleep(20)
    }
    await then(replay)
    await client.query('ROLLBACK')
    return replay
  })
}

// a row in the middle: its page can be stored, but not marked
const lockMark = `SELECT FROM quarantine WHERE id = (SELECT id FROM quarantine ORDER BY id OFFSET ${messages / 2} LIMIT 1) FOR UPDATE`
// a message in the middle: its receipt is being written by somebody else
const lockReceipt = `INSERT INTO receipt (time, boot, seq, received_at, tick_ms, device, publisher, flags, placed, samples, waves, unknown_keys)
  SELECT to_timestamp((SELECT extract(epoch FROM max(time)) FROM receipt)) + (${messages / 2} - (SELECT max(seq) FROM receipt)) * INTERVAL '1 ms',
    b.key, ${messages / 2}, now(), 0, b.device, b.device, 0, 1, 0, 0, 0 FROM device_boot b JOIN device d ON d.key = b.device WHERE d.id = '${sensor}'`

async function allThereOnce (t: Test, owner: Database): Promise<void> {
  t.equal(await count(owner, 'receipt'), messages, 'one receipt a message')
  t.equal(await count(owner, '(SELECT DISTINCT device, boot, seq FROM receipt) AS r'), messages)
  t.equal(await count(owner, 'sample'), 2 * messages, 'and its rows once')
  t.equal(await count(owner, 'quarantine', "reason = 'not-paired' AND replayed_at IS NULL"), 0)
  t.equal(await count(owner, 'quarantine', "replayed_at IS NOT NULL AND replay_outcome NOT IN ('stored', 'duplicate')"), 0)
  t.equal(await count(owner, 'quarantine'), messages + 1, 'no row of quarantine came or went')
}

for (const [signal, code] of [['SIGINT', 130], ['SIGTERM', 143]] as const) {
  test(`${signal}: ends after the page at hand, says how to go on, and the same command goes on`, needsServices, async (t) => {
    const { owner, replay } = await quarantined(t)
    const stopped = await result(await whileItWaits(owner, lockMark, () => replay(...where), ({ child }) => { child.kill(signal) }))
    t.equal(stopped.code, code)
    t.match(stopped.last, { event: 'interrupted', quarantined: 0, duplicate: 0 })
    const { done, lastId } = stopped.last
    t.ok(done > 0 && done < messages, `in the middle: ${done}`)
    t.equal(await count(owner, 'quarantine', 'replayed_at IS NOT NULL'), done, 'what it says is what is marked')
    t.equal(await count(owner, 'receipt'), done, 'and what is stored')
    t.equal(await count(owner, 'quarantine', `replayed_at IS NOT NULL AND id > ${lastId}`), 0)
    const again = await result(replay(...where))
    t.match(again, { code: 0, last: { event: 'done', done: messages - done, stored: messages - done, duplicate: 0 } })
    await allThereOnce(t, owner)
    t.match(await result(replay(...where)), { code: 0, last: { event: 'done', done: 0 } })
    t.match(await result(replay('--all')), { code: 1, last: { done: 1, quarantined: 1, reasons: { 'not-cbor': 1 } } }, 'what stays makes it 1')
    await allThereOnce(t, owner)
  })
}

test('kill −9 between storing and marking: what was stored is found again, not stored again', needsServices, async (t) => {
  const { owner, replay } = await quarantined(t)
  await whileItWaits(owner, lockMark, () => replay(...where), async ({ child, ended }) => {
    child.kill('SIGKILL')
    await ended
  })
  await untilGone(owner)
  const [marked, stored] = [await count(owner, 'quarantine', 'replayed_at IS NOT NULL'), await count(owner, 'receipt')]
  t.comment(`marked ${marked}, stored ${stored}`)
  t.ok(stored > 0 && stored < messages)
  const { code, last } = await result(replay(...where))
  t.equal(code, 0)
  t.match(last, { event: 'done', done: messages - marked, stored: messages - stored, duplicate: stored - marked })
  await allThereOnce(t, owner)
})

test('kill −9 in the middle of a transaction, and two that go on at once', needsServices, async (t) => {
  const { owner, replay } = await quarantined(t)
  // the first page tells the test what a receipt looks like
  const [first] = (await owner.query<{ id: string }>('SELECT id FROM quarantine WHERE seq = 0')).rows
  t.match(await result(replay(String(first?.id))), { code: 0, last: { stored: 1 } })
  await whileItWaits(owner, lockReceipt, () => replay(...where), async ({ child, ended }) => {
    child.kill('SIGKILL')
    await ended
  })
  await untilGone(owner)
  const stored = await count(owner, 'receipt')
  t.ok(stored < messages, `in the middle: ${stored}`)
  const both = await Promise.all([result(replay(...where)), result(replay(...where))])
  t.match(both, [{ code: 0 }, { code: 0 }])
  t.ok(both[0].last.stored + both[1].last.stored <= messages - stored, 'neither stored what the other had')
  await allThereOnce(t, owner)
})

test('the database ends its connections in the middle: the step is tried again, and it goes through', needsServices, async (t) => {
  const { owner, replay } = await quarantined(t)
  const going = await whileItWaits(owner, lockMark, () => replay(...where), async () => {
    const { rows } = await owner.query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'pulsegate replay'")
    t.ok(rows.length > 0)
  })
  t.match(await result(going), { code: 0, last: { event: 'done', done: messages, stored: messages, duplicate: 0 } })
  await allThereOnce(t, owner)
})

/** Until the server has noticed that the killed client is gone and has ended what it was at. */
async function untilGone (owner: Database): Promise<void> {
  const deadline = Date.now() + 60_000
  for (;;) {
    const { rows } = await owner.query("SELECT FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'pulsegate replay'")
    if (rows.length === 0) return
    if (Date.now() > deadline) throw new Error('the killed command is still connected')
    await sleep(20)
  }
}
