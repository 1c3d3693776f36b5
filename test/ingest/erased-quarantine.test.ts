// Whatever way a message of an erased time comes to quarantine, after the erasure or across it, its bytes do not.
import { test } from 'tap'
import { type Database } from '../../ingest/database.ts'
import { Lookup } from '../../ingest/lookup.ts'
import { prepare } from '../../ingest/prepare.ts'
import { openRow, type SealedColumns } from '../../ingest/quarantine-open.ts'
import { sealRows } from '../../ingest/quarantine-prepare.ts'
import { writeQuarantine } from '../../ingest/quarantine-rows.ts'
import { sealPlainOf } from '../../ingest/quarantine-seal-plain.ts'
import { Writer } from '../../ingest/writer.ts'
import { type Header } from '../../schemas/telemetry.ts'
import { type Delivery, deliver, deliverBytes, deviceId, telemetry } from '../fixtures/deliveries.ts'
import { begin, erase } from '../fixtures/erasures.ts'
import { count, ingestBench, replayAll, retentionMs, testKeys } from '../fixtures/ingest.ts'
import { plantPlain } from '../fixtures/plain-quarantine.ts'
import { needsServices } from '../services/skip.ts'

const hourMs = 3_600_000
const startMs = Math.floor(Date.now() / hourMs) * hourMs - 30 * hourMs
const device = deviceId(1)
const target = { kind: 'device', id: device } as const
/** The hour that is erased in these tests. */
const hour = { target, fromMs: startMs, toMs: startMs + hourMs }
const unknownMetric = [{ metric: 32_000, dtMs: 0, value: 1, quality: 0 }]

const good = (seq: number, baseWallMs: number): Delivery => deliver(device, telemetry(seq, { header: { baseWallMs } }))
const refused = (seq: number, header: Partial<Header>): Delivery => deliver(device, telemetry(seq, { header, samples: unknownMetric }))

/** What quarantine holds: reason and bytes by seq. */
async function held (owner: Database): Promise<Array<[number | null, string, string]>> {
  const keys = testKeys(owner)
  const { rows } = await owner.query<SealedColumns>('SELECT * FROM quarantine ORDER BY seq, id')
  return Promise.all(rows.map(async (row) => {
    const opened = await openRow(keys, row)
    const bytes = 'payload' in opened ? opened.payload : Buffer.from(opened.fault.code)
    return [row.seq === null ? null : Number(row.seq), row.reason, bytes.subarray(0, 7).toString('latin1') === 'erased:' ? 'gone' : 'kept'] satisfies [number | null, string, string]
  }))
}

test('a late message that the database itself refuses [C21]', needsServices, async (t) => {
  const { owner, start } = await ingestBench(t)
  await start().send(good(0, startMs + 60_000))
  await erase(owner, hour)
  await owner.query('ALTER TABLE receipt ADD CONSTRAINT poison CHECK (seq NOT IN (1, 2))')
  await start().send(good(1, startMs + 120_000), good(2, startMs + 2 * hourMs), good(3, startMs + 2 * hourMs))
  t.strictSame(await held(owner), [[1, 'erased', 'gone'], [2, 'data-error', 'kept']])
})

test('a message without a clock is placed by the anchor of its boot, by a worker that has never seen that boot too [C21]', needsServices, async (t) => {
  const { owner, start } = await ingestBench(t)
  await start().send(deliver(device, telemetry(0, { header: { boot: 5n, seq: 0, baseTickMs: 60_000 } }), startMs + 60_000))
  await erase(owner, hour)
  await start().send(refused(1, { boot: 5n, seq: 1, baseTickMs: 120_000 }), refused(2, { boot: 5n, seq: 2, baseTickMs: 25 * hourMs }))
  t.strictSame(await held(owner), [[1, 'erased', 'gone'], [2, 'unknown-metric', 'kept']])
})

test('a batch prepared before the erasure and written after it; one that is being written holds the erasure up [C21]', needsServices, async (t) => {
  const { owner, database, keys } = await ingestBench(t)
  const deliveries = [refused(0, { baseWallMs: startMs + 60_000 }), refused(1, { baseWallMs: startMs + 2 * hourMs }), deliverBytes(device, 'telemetry', Buffer.from([0xff]), startMs + 90_000)]
  const batch = await prepare(deliveries.map(({ envelope }) => envelope), { lookup: new Lookup(database), retentionMs })
  const { sealed } = await sealRows(database, keys, batch.quarantined)
  let begun = false
  let erasure: ReturnType<typeof begin> | undefined
  await database.transaction(async (client) => {
    await writeQuarantine(client, sealed.slice(0, 1))
    erasure = begin(owner, hour).finally(() => { begun = true })
    // it waits for us, as the database sees it
    while (await count(owner, 'pg_locks', "locktype = 'advisory' AND NOT granted") === 0) if (begun) break
    t.notOk(begun)
    await client.query('ROLLBACK')
    await client.query('BEGIN')
  })
  await erasure
  await t.rejects(database.transaction((client) => writeQuarantine(client, sealed)), { code: 'ERASURE_BEGUN' }, 'what was sealed before it is not written')
  await new Writer(database, keys).write(batch)
  t.strictSame(await held(owner), [[0, 'erased', 'gone'], [1, 'unknown-metric', 'kept'], [null, 'erased', 'gone']])
})

test('a device that is not registered: what is sent again stays away, and it waits for approval [C21]', needsServices, async (t) => {
  const { owner, start, registry } = await ingestBench(t)
  const relayed = (seq: number): Delivery => deliver(device, telemetry(seq, { header: { source: deviceId(77), baseWallMs: startMs } }))
  const first = relayed(0)
  await start().send(first)
  await erase(owner, { target: { kind: 'device', id: deviceId(77) } })
  await start().send(deliverBytes(device, 'telemetry', first.envelope.payload), relayed(1), deliver(device, telemetry(2, { header: { source: deviceId(77), baseWallMs: Date.now() + 15_000 } })))
  t.strictSame(await held(owner), [[0, 'erased', 'gone'], [0, 'erased', 'gone'], [1, 'erased', 'gone'], [2, 'source-not-active', 'kept']])
  t.strictSame((await owner.query('SELECT state FROM device WHERE id = $1', [deviceId(77)])).rows, [{ state: 'pending' }])
  await registry.setState(deviceId(77), 'active')
})

test('a replay of what touches an erased time goes through, and leaves no bytes behind [C21]', needsServices, async (t) => {
  const { owner, start } = await ingestBench(t)
  await start().send(refused(0, { baseWallMs: startMs + 60_000 }))
  await erase(owner, hour)
  // as an older version wrote them, which could not read them: outside of the hour by their receipt, in it by their own time
  for (const { envelope } of [good(1, startMs + 60_000), refused(2, { baseWallMs: startMs + 90_000 }), good(3, startMs + 2 * hourMs), refused(4, { baseWallMs: startMs + 2 * hourMs })]) {
    await plantPlain(owner, { ...envelope, reason: 'wrong-type' })
  }
  t.match(await replayAll(owner, { filter: {} }, { dryRun: true }), [{ outcome: 'stored' }, { reason: 'unknown-metric' }, { outcome: 'stored' }, { reason: 'unknown-metric' }])
  t.strictSame((await held(owner)).map(([,, bytes]) => bytes), ['gone', 'kept', 'kept', 'kept', 'kept'], 'a dry run changes nothing')
  t.match(await replayAll(owner, { filter: {} }), [{ outcome: 'stored' }, { reason: 'unknown-metric' }, { outcome: 'stored' }, { reason: 'unknown-metric' }])
  t.strictSame(await held(owner), [[0, 'erased', 'gone'], [1, 'erased', 'gone'], [2, 'erased', 'gone'], [3, 'wrong-type', 'kept'], [4, 'wrong-type', 'kept']])
  t.equal(await count(owner, 'sample'), 10, 'the values of the other time')
  t.equal(await count(owner, 'receipt'), 2)
})

test('sealing what older versions wrote does not bring back what is erased meanwhile [C21]', needsServices, async (t) => {
  const { owner, keys } = await ingestBench(t)
  await plantPlain(owner, { ...refused(0, { baseWallMs: startMs + 60_000 }).envelope, reason: 'unknown-metric' })
  const { rows: [row] } = await owner.query<{ id: string }>('SELECT id FROM quarantine')
  const toSeal = keys.toSeal.bind(keys)
  t.intercept(keys, 'toSeal', {
    value: async (...words: Parameters<typeof toSeal>) => {
      await erase(owner, hour)
      return toSeal(...words)
    }
  })
  await sealPlainOf(owner, keys, [Number(row?.id)])
  t.strictSame(await held(owner), [[null, 'erased', 'gone']])
})
