import { appendFileSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'tap'
import { compareLedger, type Evidence } from '../../simulator/ledger-compare.ts'
import { Ledger } from '../../simulator/ledger.ts'
import { Outbox, type OutMessage } from '../../simulator/outbox.ts'

const device = '0d4e6a52-7c0b-8f6a-9d3e-0123456789ab'
const boot = 2n ** 63n + 5n

async function all (ledger: Ledger): Promise<Evidence[]> {
  const entries: Evidence[] = []
  for await (const entry of ledger.entries()) entries.push(entry)
  return entries
}

function message (seq: number, publisher = device): OutMessage {
  return { publisher, source: device, boot, bootBegunAtMs: 5, seq, topic: 'telemetry', samples: 3, waves: 1, payload: Buffer.from([seq, 0, 255, 10]) }
}

test('what was acknowledged is there after a kill: read again from the file, a torn last line is cut off', async (t) => {
  const file = join(t.testdir(), 'ledger.jsonl')
  const first = await Ledger.open(file)
  const record = first.boot(device, boot, 1_000)
  for (const seq of [0, 1, 2, 5]) t.ok(first.acknowledge(record, seq, 10 + seq, 1))
  t.notOk(first.acknowledge(record, 2, 10, 1), 'twice is once')
  first.drop(record, 3)
  t.strictSame(first.counts, { acknowledged: 4, samples: 48, waves: 4, dropped: 1 })
  const whole = readFileSync(file, 'utf8')
  appendFileSync(file, '[0,6,1')

  // not closed: as after a kill -9
  const second = await Ledger.open(file)
  t.equal(readFileSync(file, 'utf8'), whole, 'the torn line is gone')
  t.strictSame(await all(second), [0, 1, 2, 5].map((seq) => ({ device, boot, seq, samples: 10 + seq, waves: 1 })))
  const again = second.boot(device, boot, 1_000)
  t.strictSame([again.acknowledged.toArray(), again.dropped.toArray()], [[[0, 2], [5, 5]], [[3, 3]]])
  t.notOk(second.acknowledge(again, 5, 15, 1), 'an old acknowledgement is remembered')
  t.ok(second.acknowledge(second.boot(device, boot + 1n, 2_000), 0, 1, 0))
  t.equal((await all(second)).length, 5)
  t.equal(second.counts.acknowledged, 1, 'counts are of this process')
  t.strictSame([second.has(device, boot, 1), second.has(device, boot, 4), second.has(device, 7n, 0)], [true, false, false])
  const since: number[] = []
  for await (const { seq } of second.entries({ sinceMs: 2_000 })) since.push(seq)
  t.strictSame(since, [0], 'only boots begun since')
  first.close()
  second.close()
})

test('the ledger\'s memory is ranges, whatever the order of acknowledgements', async (t) => {
  const ledger = await Ledger.open(join(t.testdir(), 'ledger.jsonl'))
  const record = ledger.boot(device, boot, 0)
  const seqs = Array.from({ length: 1_000 }, (_, at) => (at * 677) % 1_000)
  for (const [at, seq] of seqs.entries()) {
    ledger.acknowledge(record, seq, 1, 0)
    if (at % 250 === 0) t.ok(seqs.slice(0, at + 1).every((known) => record.acknowledged.has(known)))
  }
  t.strictSame(record.acknowledged.toArray(), [[0, 999]])
  t.equal(record.acknowledged.size, 1_000)
  ledger.close()
})

test('the outbox gives back after a kill what was not acknowledged, in order and byte for byte', async (t) => {
  const file = join(t.testdir(), 'outbox.jsonl')
  const limits = { messagesPerPublisher: 10, bytes: 1_000 }
  const first = await Outbox.open(file, () => false, limits)
  for (let seq = 0; seq < 5; seq++) t.ok(first.add(message(seq)))
  t.notOk(first.written, 'nothing may be published before the flush')
  first.flush()
  t.ok(first.written)

  const second = await Outbox.open(file, ({ seq }) => seq === 1 || seq === 3, limits)
  t.strictSame([...second.outstanding()], [0, 2, 4].map((seq) => message(seq)))
  t.ok([...second.outstanding()].every((left) => second.isRecovered(left)))
  for (const left of [...second.outstanding()]) second.remove(left)
  t.equal(second.messages + second.bytes, 0)
  second.close()
  const third = await Outbox.open(file, ({ seq }) => seq < 4, limits)
  t.strictSame([...third.outstanding()].map(({ seq }) => seq), [4], 'it is the ledger that says what is acknowledged')
  third.close()
  t.equal(statSync(file).mode & 0o777, 0o600)
  first.close()
})

test('the outbox is bounded in messages of a publisher and in bytes of all', async (t) => {
  const outbox = await Outbox.open(join(t.testdir(), 'outbox.jsonl'), () => false, { messagesPerPublisher: 3, bytes: 20 })
  t.strictSame([0, 1, 2, 3].map((seq) => outbox.add(message(seq))), [true, true, true, false])
  t.strictSame([4, 5, 6].map((seq) => outbox.add(message(seq, 'another'))), [true, true, false])
  t.strictSame([outbox.messages, outbox.bytes], [5, 20])
  outbox.close()
})

test('the comparison finds every way to disagree', async (t) => {
  const entry = (seq: number, more: Partial<Evidence> & { quarantined?: boolean } = {}): Evidence & { quarantined?: boolean } =>
    ({ device, boot, seq, samples: 2, waves: 1, ...more })
  const ledger = [0, 1, 2, 3].map((seq) => entry(seq))
  t.match(await compareLedger(ledger, ledger), { agrees: true, acknowledged: 4, stored: 4, samples: 8, waves: 4, examples: [] })
  t.match(await compareLedger(ledger, ledger.slice(1)), { agrees: false, missing: 1, examples: [{ wrong: 'missing', seq: 0, boot, device }] })
  t.match(await compareLedger(ledger, [...ledger, entry(2)]), { agrees: false, duplicates: 1, stored: 4, samples: 8 })
  t.match(await compareLedger(ledger, [...ledger.slice(1), entry(0, { samples: 1 })]), { agrees: false, different: 1 })
  t.match(await compareLedger(ledger, [...ledger.slice(1), { ...entry(0, { samples: 1 }), erased: true }]), { agrees: true }, 'fewer rows, of a device of which something was erased')
  t.match(await compareLedger(ledger, [...ledger.slice(1), { ...entry(0, { samples: 9 }), erased: true }]), { agrees: false, different: 1 }, 'never more')
  t.match(await compareLedger(ledger, [...ledger, entry(9)]), { agrees: false, unexpected: 1 })
  t.match(await compareLedger(ledger, [...ledger, entry(9)], [entry(9)]), { agrees: true, unacknowledged: 1, unexpected: 0 })
  t.match(await compareLedger(ledger, [...ledger, entry(9), entry(9)], [entry(9)]), { agrees: false, duplicates: 1 })
  t.match(await compareLedger(ledger, [...ledger, entry(9, { boot: 1n })]), { agrees: true, stored: 4 }, 'another simulator\'s boot is not our business')
  t.match(await compareLedger(ledger, [...ledger.slice(1), entry(0, { samples: 0, waves: 0, quarantined: true })]),
    { agrees: true, quarantined: 1, samples: 6 }, 'quarantined is accounted for')
})
