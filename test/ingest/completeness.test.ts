// What the database says of a device's messages: received, missing, quarantined.
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import fc from 'fast-check'
import { test, type Test } from 'tap'
import { type BootCompleteness, completeness, parseRanges } from '../../ingest/completeness.ts'
import { openDatabase, type Database } from '../../ingest/database.ts'
import { storeBoot, storeDevice, storeReceipts } from '../fixtures/stored.ts'
import { needsServices } from '../services/skip.ts'
import { temporaryDatabase } from '../services/timescaledb.ts'

const startMs = Math.floor(Date.now() / 1_000) * 1_000 - 7_200_000

// seq n of a boot is sent n seconds after its start
const at = (seqs: readonly number[], fromMs = startMs) => seqs.map((seq) => ({ seq, timeMs: fromMs + seq * 1_000 }))
const span = (first: number, last: number) => Array.from({ length: last - first + 1 }, (_, index) => first + index)

interface Case {
  name: string
  stored: number[]
  /** seconds after the start */
  interval?: { from: number, to: number }
  /** `at`: received so many seconds after the start; else when it was due */
  quarantined?: Array<{ seq: number | null, replayed?: boolean, at?: number }>
  expected: { firstSeq: number | null, lastSeq: number | null, received: number, missing: Array<[number, number]>, quarantined?: number }
}

const cases: Case[] = [
  { name: 'all there', stored: span(0, 9), expected: { firstSeq: 0, lastSeq: 9, received: 10, missing: [] } },
  { name: 'a hole in the middle', stored: [...span(0, 3), ...span(6, 9)], expected: { firstSeq: 0, lastSeq: 9, received: 8, missing: [[4, 5]] } },
  { name: 'several holes', stored: [0, 2, 3, 7], expected: { firstSeq: 0, lastSeq: 7, received: 4, missing: [[1, 1], [4, 6]] } },
  { name: 'the beginning is missing: a boot counts from 0', stored: span(3, 5), expected: { firstSeq: 0, lastSeq: 5, received: 3, missing: [[0, 2]] } },
  { name: 'one message alone', stored: [0], expected: { firstSeq: 0, lastSeq: 0, received: 1, missing: [] } },
  { name: 'an interval inside the boot does not reach back to 0', stored: span(0, 20), interval: { from: 5, to: 10 }, expected: { firstSeq: 5, lastSeq: 9, received: 5, missing: [] } },
  { name: 'a hole is only reported by the interval it lies in: the one with the first message after it', stored: [0, 1, 5, 6, 7], interval: { from: 5, to: 8 }, expected: { firstSeq: 2, lastSeq: 7, received: 3, missing: [[2, 4]] } },
  { name: 'a hole is not reported by the interval before it', stored: [0, 1, 5, 6, 7], interval: { from: 0, to: 5 }, expected: { firstSeq: 0, lastSeq: 1, received: 2, missing: [] } },
  { name: 'a hole across a border is reported by the interval in which it ends', stored: [0, 1, 5, 6, 7], interval: { from: 4, to: 8 }, expected: { firstSeq: 2, lastSeq: 7, received: 3, missing: [[2, 4]] } },
  { name: 'a quarantined message before the interval is not missing', stored: [0, 1, 5, 6], quarantined: [{ seq: 3 }], interval: { from: 5, to: 8 }, expected: { firstSeq: 4, lastSeq: 6, received: 2, missing: [[4, 4]] } },
  { name: 'a backlog: quarantined long after the interval, shown by the interval in whose range it lies', stored: [0, 1, 3, 9], quarantined: [{ seq: 2, at: 60 }], interval: { from: 0, to: 5 }, expected: { firstSeq: 0, lastSeq: 3, received: 3, missing: [], quarantined: 1 } },
  { name: 'a hole before quarantined messages', stored: span(0, 3), quarantined: [{ seq: 7 }, { seq: 9 }], expected: { firstSeq: 0, lastSeq: 9, received: 4, missing: [[4, 6], [8, 8]], quarantined: 2 } },
  { name: 'holes where all is in quarantine', stored: [], quarantined: [0, 1, 2, 5, 6, 7, 9].map((seq) => ({ seq })), expected: { firstSeq: 0, lastSeq: 9, received: 0, missing: [[3, 4], [8, 8]], quarantined: 7 } },
  { name: 'all in quarantine, the beginning missing', stored: [], quarantined: [{ seq: 2 }], expected: { firstSeq: 0, lastSeq: 2, received: 0, missing: [[0, 1]], quarantined: 1 } },
  { name: 'all in quarantine, in part of the time', stored: [], quarantined: [0, 1, 5, 6].map((seq) => ({ seq })), interval: { from: 3, to: 6 }, expected: { firstSeq: 2, lastSeq: 5, received: 0, missing: [[2, 4]], quarantined: 1 } },
  { name: 'nothing of a quarantined message says its seq', stored: [], quarantined: [{ seq: null }], expected: { firstSeq: null, lastSeq: null, received: 0, missing: [], quarantined: 1 } },
  { name: 'a quarantined message is not missing', stored: [0, 1, 3], quarantined: [{ seq: 2 }], expected: { firstSeq: 0, lastSeq: 3, received: 3, missing: [], quarantined: 1 } },
  { name: 'a replayed message that is stored is received, not quarantined', stored: [0, 1, 2], quarantined: [{ seq: 1 }], expected: { firstSeq: 0, lastSeq: 2, received: 3, missing: [], quarantined: 0 } },
  { name: 'a message given up by replay is missing', stored: [0, 2], quarantined: [{ seq: 1, replayed: true }], expected: { firstSeq: 0, lastSeq: 2, received: 2, missing: [[1, 1]], quarantined: 0 } },
  { name: 'seqs near 2^32 do not overflow', stored: [4_294_967_294, 4_294_967_295], expected: { firstSeq: 0, lastSeq: 4_294_967_295, received: 2, missing: [[0, 4_294_967_293]] } }
]

async function quarantine (database: Database, device: string, boot: bigint | null, seq: number | null,
  { replayed = false, timeMs = startMs }: { replayed?: boolean, timeMs?: number } = {}): Promise<void> {
  await database.query(`INSERT INTO quarantine (received_at, last_received_at, publisher, boot, seq, kind, reason, payload, digest, replayed_at)
    VALUES ($1, $1, $2, $3, $4, 'telemetry', 'clock-ahead', '', sha256($5), $6)`,
  [new Date(timeMs), device, boot?.toString() ?? null, seq, Buffer.from(randomUUID()), replayed ? new Date() : null])
}

async function open (t: Test, edition: 'plain' | 'timescaledb-apache'): Promise<Database> {
  const { url } = await temporaryDatabase(t, { edition })
  const database = openDatabase(url)
  t.teardown(() => database.close())
  return database
}

for (const edition of ['plain', 'timescaledb-apache'] as const) {
  test(`${edition}: completeness by case`, needsServices, async (t) => {
    const database = await open(t, edition)
    for (const { name, stored, interval, quarantined = [], expected } of cases) {
      const device = await storeDevice(database)
      const boot = 2n ** 64n - 1n
      // a boot whose messages were all refused may never have been written
      const key = stored.length === 0 ? '0' : await storeBoot(database, device, boot, startMs)
      // seconds would run past tomorrow for the highest seqs
      await storeReceipts(database, device, key, stored.some((seq) => seq > 10_000) ? stored.map((seq, index) => ({ seq, timeMs: startMs + index })) : at(stored))
      for (const { seq, replayed = false, at = seq ?? 0 } of quarantined) await quarantine(database, device.id, boot, seq, { replayed, timeMs: startMs + at * 1_000 })
      const found = await completeness(database, device.id, interval === undefined
        ? {}
        : { fromMs: startMs + interval.from * 1_000, toMs: startMs + interval.to * 1_000 })
      const missing = expected.missing.map(([first, last]) => ({ first, last }))
      t.strictSame(found, [{
        boot,
        firstSeq: expected.firstSeq,
        lastSeq: expected.lastSeq,
        received: expected.received,
        missingCount: missing.reduce((sum, { first, last }) => sum + last - first + 1, 0),
        missing,
        quarantined: expected.quarantined ?? 0
      }], name)
    }
  })
}

test('boots come in the order in which they began, then messages nobody could read', needsServices, async (t) => {
  const database = await open(t, 'plain')
  const device = await storeDevice(database)
  await storeReceipts(database, device, await storeBoot(database, device, 7n, startMs + 60_000), at([0, 1], startMs + 60_000))
  await storeReceipts(database, device, await storeBoot(database, device, 9n, startMs - 1_000), at([0, 1]))
  await quarantine(database, device.id, null, null)
  await quarantine(database, device.id, 5n, 4)
  const found = await completeness(database, device.id)
  t.strictSame(found.map(({ boot, received, quarantined }) => ({ boot, received, quarantined })), [
    { boot: 9n, received: 2, quarantined: 0 },
    { boot: 5n, received: 0, quarantined: 1 },
    { boot: 7n, received: 2, quarantined: 0 },
    { boot: null, received: 0, quarantined: 1 }
  ])
  t.strictSame(await completeness(database, randomUUID()), [], 'a device nobody knows')
})

test('what retention has dropped is not called missing', needsServices, async (t) => {
  const database = await open(t, 'plain')
  const device = await storeDevice(database)
  await storeReceipts(database, device, await storeBoot(database, device, 1n, startMs - 86_400_000), at([500, 501]))
  t.match(await completeness(database, device.id), [{ firstSeq: 0, missingCount: 500 }])
  await database.query('UPDATE retention SET dropped_before = $1', [new Date(startMs - 3_600_000)])
  t.match(await completeness(database, device.id), [{ firstSeq: 500, missingCount: 0 }])
})

test('a backlog in quarantine outlives its receipts, and does not make them missing', needsServices, async (t) => {
  const database = await open(t, 'plain')
  const device = await storeDevice(database)
  const began = startMs - 86_400_000
  const key = await storeBoot(database, device, 1n, began)
  await storeReceipts(database, device, key, at([500, 501, 504], began))
  await quarantine(database, device.id, 1n, 3)
  await quarantine(database, device.id, 1n, 498)
  await database.query('UPDATE retention SET dropped_before = $1', [new Date(startMs - 3_600_000)])
  t.match(await completeness(database, device.id), [{ firstSeq: 3, lastSeq: 504, missing: [{ first: 502, last: 503 }], quarantined: 2 }])
  t.match(await completeness(database, device.id, { fromMs: began, toMs: startMs }), [{ firstSeq: 500, lastSeq: 504, missingCount: 2 }])
  await database.query('DELETE FROM receipt')
  t.match(await completeness(database, device.id), [{ firstSeq: 3, lastSeq: 498, missingCount: 0, quarantined: 2 }], 'no receipt is left')
})

test('of a boot known from quarantine alone, what retention has dropped is not called missing', needsServices, async (t) => {
  const database = await open(t, 'plain')
  const device = randomUUID()
  for (const seq of [500, 501, 504]) await quarantine(database, device, 1n, seq)
  await database.query('UPDATE retention SET dropped_before = $1', [new Date(startMs - 3 * 86_400_000)])
  t.match(await completeness(database, device), [{ firstSeq: 0, missingCount: 502 }], 'retention ends days before')
  await database.query('UPDATE retention SET dropped_before = $1', [new Date(startMs - 60_000)])
  t.match(await completeness(database, device), [{ firstSeq: 500, missing: [{ first: 502, last: 503 }] }], 'retention ends right before')
})

interface Sent { seq: number, second: number, fate: 'stored' | 'quarantined' | 'lost' }

const seconds = 24
const fate = fc.constantFrom<Sent['fate'][]>('stored', 'stored', 'quarantined', 'lost')
const inOrder = fc.array(fc.record({ fate, step: fc.nat(2) }), { maxLength: seconds / 2 }).map((messages) => {
  let second = 0
  return messages.map(({ fate, step }, seq): Sent => {
    second += step
    return { seq, fate, second }
  })
})
// a clock that jumps, a backlog that is refused: times say nothing about the order
const inAnyOrder = fc.array(fc.record({ fate, second: fc.nat(seconds) }), { maxLength: 12 })
  .map((messages) => messages.map(({ fate, second }, seq): Sent => ({ seq, fate, second })))

const seqsOf = (boots: readonly BootCompleteness[]) => boots.flatMap(({ missing }) => missing.flatMap(({ first, last }) => span(first, last)))
const sum = (boots: readonly BootCompleteness[], of: 'received' | 'missingCount' | 'quarantined') => boots.reduce((total, boot) => total + boot[of], 0)

/** Each hole by the interval that holds the first message after it; here without SQL. */
function expectedMissing (sent: readonly Sent[], from: number, to: number): number[] {
  const known = sent.filter(({ fate }) => fate !== 'lost')
  return sent.filter(({ fate }) => fate === 'lost').map(({ seq }) => seq).filter((seq) => {
    const next = known.find((message) => message.seq > seq)
    return next !== undefined && next.second >= from && next.second < to
  })
}

for (const [name, messages] of [['in order', inOrder], ['in any order', inAnyOrder]] as const) {
  test(`adjoining intervals together report what their union reports: messages ${name}`, needsServices, async (t) => {
    const database = await open(t, 'plain')
    await fc.assert(fc.asyncProperty(messages, fc.uniqueArray(fc.integer({ min: 1, max: seconds }), { maxLength: 4 }), async (sent, cuts) => {
      const device = await storeDevice(database)
      const is = (fate: Sent['fate']) => sent.filter((message) => message.fate === fate)
      if (is('stored').length > 0) {
        await storeReceipts(database, device, await storeBoot(database, device, 1n, startMs),
          is('stored').map(({ seq, second }) => ({ seq, timeMs: startMs + second * 1_000 })))
      }
      for (const { seq, second } of is('quarantined')) await quarantine(database, device.id, 1n, seq, { timeMs: startMs + second * 1_000 })

      const report = async (from: number, to: number) => await completeness(database, device.id, { fromMs: startMs + from * 1_000, toMs: startMs + to * 1_000 })
      const borders = [0, ...cuts.sort((a, b) => a - b), seconds + 1]
      const parts: BootCompleteness[][] = []
      for (const [index, to] of borders.slice(1).entries()) {
        const from = borders[index] ?? 0
        const part = await report(from, to)
        assert.deepEqual(seqsOf(part), expectedMissing(sent, from, to))
        for (const { firstSeq, lastSeq, received, missingCount, quarantined } of part) {
          if (name === 'in order') assert.equal(received + missingCount + quarantined, (lastSeq ?? 0) - (firstSeq ?? 0) + 1, 'the three add up')
        }
        parts.push(part)
      }
      const union = await report(0, seconds + 1)
      const adjoining = parts.flat()
      assert.deepEqual(seqsOf(adjoining).sort((a, b) => a - b), seqsOf(union))
      assert.equal(sum(adjoining, 'missingCount'), sum(union, 'missingCount'))
      assert.equal(sum(adjoining, 'received'), is('stored').length)
      assert.equal(sum(union, 'received'), is('stored').length)
      assert.equal(sum(union, 'quarantined'), is('quarantined').length)
      if (name === 'in order') assert.equal(sum(adjoining, 'quarantined'), sum(union, 'quarantined'))
      else assert.ok(sum(adjoining, 'quarantined') >= sum(union, 'quarantined'), 'none vanishes')
    }), { numRuns: 100 })
    t.pass()
  })
}

test('ranges of PostgreSQL become ranges with both ends', async (t) => {
  t.strictSame(parseRanges('{}'), [])
  t.strictSame(parseRanges('{[3,5),[9,10)}'), [{ first: 3, last: 4 }, { first: 9, last: 9 }])
})
