// Every check in both of its outcomes: a check that cannot fail is none.
import { test } from 'tap'
import { type Allowance, commonChecks, memoryBoundBytes, peakBytes, streamLengthBound } from '../../proof/check.ts'
import { type Facts } from '../../proof/facts.ts'
import { comparison, goodFacts } from './facts.ts'

function redOf (changes: Partial<Facts>, allow: Allowance = {}): string[] {
  return commonChecks(goodFacts(changes), allow).filter(({ ok }) => !ok).map(({ name }) => name)
}

const { devices, rest, counters } = goodFacts()

test('good facts are green, checked in every way there is', async (t) => {
  const checks = commonChecks(goodFacts())
  t.strictSame(checks.filter(({ ok }) => !ok), [])
  t.equal(new Set(checks.map(({ name }) => name)).size, checks.length, 'no name twice')
  t.ok(checks.every(({ value, bound }) => value !== '' && bound !== ''))
})

const bad: ReadonlyArray<[why: string, red: string[], changes: Partial<Facts>]> = [
  ['no load', ['load'], { devices: { ...devices, made: 3, acknowledged: 3 }, receipts: 3, counters: null }],
  ['a fault that did not happen', ['faults'], { faults: [{ atMs: 0, endedAtMs: 9, happened: false, fault: { kind: 'kill', target: 'redis', forMs: 9 } }] }],
  ['no rest', ['rest'], { rest: { ...rest, reached: false, unrest: ['partition 3: 5 unacknowledged, 0 unread'] } }],
  ['a process that died by itself', ['deaths'], { deaths: { 'broker-1': 1 } }],
  ['a lost message', ['lost'], { comparison: comparison({ missing: 1 }), receipts: 999, counters: null }],
  ['a lost message that the totals hide', ['lost', 'stored sums'], { comparison: comparison({ missing: 1 }) }],
  ['a message stored twice', ['doubled', 'stored sums'], { comparison: comparison({ duplicates: 1 }), receipts: 1_001, counters: null }],
  ['a row that no receipt claims', ['doubled'], { balance: { rowsMissing: 0, rowsBeyond: 1, rowsErased: 0 } }],
  ['a message stored with other rows', ['different'], { comparison: comparison({ different: 1 }) }],
  ['a row that a receipt claims and nobody has', ['different'], { balance: { rowsMissing: 1, rowsBeyond: 0, rowsErased: 0 } }],
  ['a message nobody sent', ['unexpected', 'stored sums'], { comparison: comparison({ unexpected: 1 }), receipts: 1_001, counters: null }],
  ['a message in quarantine', ['quarantined'], { quarantined: { 'clock-ahead': 1 } }],
  ['a message the devices lost count of', ['device sums'], { devices: { ...devices, made: 1_001 } }],
  ['a message the devices threw away', ['device sums'], { devices: { ...devices, made: 1_001, dropped: 1 } }],
  ['a message that was received and never settled', ['broker sums'], { counters: { ...counters!, received: 1_013 } }],
  ['receipts without anybody who stored them', ['worker sums'], { counters: { ...counters!, received: 900, stored: 900, duplicate: 50 } }],
  ['stored more often than there are receipts', ['worker sums'], { counters: { ...counters!, stored: 1_001 } }],
  ['an entry nobody acknowledged', ['pending'], { streams: [{ partition: 0, pending: 1, unread: 0, length: 1 }] }],
  ['an entry nobody read', ['pending'], { streams: [{ partition: 0, pending: 0, unread: 1, length: 1 }] }],
  ['a stream of which nobody knows', ['pending'], { streams: [{ partition: 0, pending: 0, unread: null, length: 1 }] }],
  ['no streams at all', ['pending'], { streams: [] }],
  ['a stream that is not trimmed', ['trimmed'], { streams: [{ partition: 0, pending: 0, unread: 0, length: streamLengthBound + 1 }] }],
  ['a broker that grew', ['broker memory'], { memory: [{ part: 'broker-1', peakBytes: memoryBoundBytes.broker + 1 }, { part: 'worker-1', peakBytes: 1e6 }] }],
  ['a worker that grew', ['worker memory'], { memory: [{ part: 'broker-1', peakBytes: 1e6 }, { part: 'worker-2', peakBytes: memoryBoundBytes.worker + 1 }] }],
  ['memory that nobody measured', ['broker memory', 'worker memory'], { memory: [] }]
]

for (const [why, red, changes] of bad) {
  test(`red: ${why}`, async (t) => { t.strictSame(redOf(changes), red) })
}

test('loss is allowed only as far as it is reported', async (t) => {
  const allow = { reportedLoss: true }
  const lost = { comparison: comparison({ missing: 5 }), receipts: 995, counters: null }
  t.strictSame(redOf({ ...lost, losses: { lost: 5, reported: 5, unreported: [] } }, allow), [])
  t.strictSame(redOf({ ...lost, losses: { lost: 5, reported: 4, unreported: [] } }, allow), ['lost'])
  t.strictSame(redOf({ ...lost, losses: { lost: 4, reported: 4, unreported: [] } }, allow), ['lost'], 'the two ways of counting disagree')
  const counted = { received: 1_000, refused: 0, stored: 995, duplicate: 0, quarantined: 0 }
  t.strictSame(redOf({ ...lost, counters: counted, losses: { lost: 5, reported: 5, unreported: [] } }, allow), [], 'and counts as settled')
  t.strictSame(redOf({ ...lost, losses: { lost: 5, reported: 5, unreported: [] } }), ['lost'], 'and only where it is allowed')
})

test('quarantine and deaths are allowed by name', async (t) => {
  const quarantined = { 'clock-ahead': 7 }
  t.strictSame(redOf({ quarantined }, { quarantine: ['clock-ahead'] }), [])
  t.strictSame(redOf({ quarantined }, { quarantine: ['poison'] }), ['quarantined'])
  t.strictSame(redOf({ deaths: { 'worker-2': 3 } }, { deaths: ['worker'] }), [])
  t.strictSame(redOf({ deaths: { 'worker-2': 3, redis: 1 } }, { deaths: ['worker'] }), ['deaths'])
})

test('a message in quarantine whose header nobody read is not lost, but hides no other', async (t) => {
  const allow = { quarantine: ['poison'] }
  const poisoned = { quarantined: { poison: 1 }, unreadable: 1, receipts: 999, counters: null }
  t.strictSame(redOf({ ...poisoned, comparison: comparison({ missing: 1 }) }, allow), [])
  t.strictSame(redOf({ ...poisoned, receipts: 998, comparison: comparison({ missing: 2 }) }, allow), ['lost'])
})

test('where nothing is read or written twice, counters agree to the message', async (t) => {
  const allow = { exactCounters: true }
  t.strictSame(redOf({}, allow), [])
  t.strictSame(redOf({ counters: { ...counters!, received: 1_011 } }, allow), ['broker sums'])
  t.strictSame(redOf({ counters: { ...counters!, stored: 999, duplicate: 13 } }, allow), ['worker sums'])
  t.strictSame(redOf({ counters: { ...counters!, stored: 999, duplicate: 13 } }), [], 'elsewhere a COMMIT whose answer was lost may count as duplicate')
})

test('a stored message whose acknowledgement did not get through is not lost', async (t) => {
  const facts = {
    devices: { ...devices, acknowledged: 999, outstanding: 1 },
    comparison: comparison({ acknowledged: 999, unacknowledged: 1 })
  }
  t.strictSame(redOf(facts), [])
})

test('the highest of a kind counts', async (t) => {
  t.equal(peakBytes(goodFacts().memory, 'broker'), 110e6)
  t.equal(peakBytes([], 'broker'), 0)
})
