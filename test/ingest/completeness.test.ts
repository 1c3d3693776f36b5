// What the database says of a device's messages: received, missing, quarantined.
import { randomUUID } from 'node:crypto'
import { test, type Test } from 'tap'
import { completeness, parseRanges } from '../../ingest/completeness.ts'
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
  quarantined?: Array<{ seq: number | null, source?: boolean, replayed?: boolean }>
  expected: { firstSeq: number, lastSeq: number, received: number, missing: Array<[number, number]>, quarantined?: number }
}

const cases: Case[] = [
  { name: 'all there', stored: span(0, 9), expected: { firstSeq: 0, lastSeq: 9, received: 10, missing: [] } },
  { name: 'a hole in the middle', stored: [...span(0, 3), ...span(6, 9)], expected: { firstSeq: 0, lastSeq: 9, received: 8, missing: [[4, 5]] } },
  { name: 'several holes', stored: [0, 2, 3, 7], expected: { firstSeq: 0, lastSeq: 7, received: 4, missing: [[1, 1], [4, 6]] } },
  { name: 'the beginning is missing: a boot counts from 0', stored: span(3, 5), expected: { firstSeq: 0, lastSeq: 5, received: 3, missing: [[0, 2]] } },
  { name: 'one message alone', stored: [0], expected: { firstSeq: 0, lastSeq: 0, received: 1, missing: [] } },
  { name: 'an interval inside the boot does not reach back to 0', stored: span(0, 20), interval: { from: 5, to: 10 }, expected: { firstSeq: 5, lastSeq: 9, received: 5, missing: [] } },
  { name: 'a hole is only reported by the interval it lies in', stored: [0, 1, 5, 6, 7], interval: { from: 5, to: 8 }, expected: { firstSeq: 5, lastSeq: 7, received: 3, missing: [] } },
  { name: 'a quarantined message is not missing', stored: [0, 1, 3], quarantined: [{ seq: 2 }], expected: { firstSeq: 0, lastSeq: 3, received: 3, missing: [], quarantined: 1 } },
  { name: 'a replayed message that is stored is received, not quarantined', stored: [0, 1, 2], quarantined: [{ seq: 1 }], expected: { firstSeq: 0, lastSeq: 2, received: 3, missing: [], quarantined: 0 } },
  { name: 'a message given up by replay is missing', stored: [0, 2], quarantined: [{ seq: 1, replayed: true }], expected: { firstSeq: 0, lastSeq: 2, received: 2, missing: [[1, 1]], quarantined: 0 } },
  { name: 'seqs near 2^32 do not overflow', stored: [4_294_967_294, 4_294_967_295], expected: { firstSeq: 0, lastSeq: 4_294_967_295, received: 2, missing: [[0, 4_294_967_293]] } }
]

async function quarantine (database: Database, device: string, boot: bigint | null, seq: number | null, replayed = false): Promise<void> {
  await database.query(`INSERT INTO quarantine (received_at, last_received_at, publisher, boot, seq, kind, reason, payload, digest, replayed_at)
    VALUES ($1, $1, $2, $3, $4, 'telemetry', 'clock-ahead', '', sha256($5), $6)`,
  [new Date(startMs), device, boot?.toString() ?? null, seq, Buffer.from(randomUUID()), replayed ? new Date() : null])
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
      const key = await storeBoot(database, device, boot, startMs)
      // seconds would run past tomorrow for the highest seqs
      await storeReceipts(database, device, key, stored.some((seq) => seq > 10_000) ? stored.map((seq, index) => ({ seq, timeMs: startMs + index })) : at(stored))
      for (const { seq, replayed } of quarantined) await quarantine(database, device.id, boot, seq, replayed)
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

test('ranges of PostgreSQL become ranges with both ends', async (t) => {
  t.strictSame(parseRanges('{}'), [])
  t.strictSame(parseRanges('{[3,5),[9,10)}'), [{ first: 3, last: 4 }, { first: 9, last: 9 }])
})
