import { test } from 'tap'
import fc from 'fast-check'
import { BinaryBuffer } from '../../ingest/binary.ts'
import { Columns } from '../../ingest/columns.ts'
import { receiptOrder, seriesOrder } from '../../ingest/order.ts'
import { RecentReceipts } from '../../ingest/recent.ts'

function filled (samples: ReadonlyArray<readonly [device: number, metric: number, timeMs: number]>): Columns {
  const columns = new Columns()
  for (const [n, [device, metric, timeMs]] of samples.entries()) {
    columns.addMessage({ timeMs, device, boot: device, seq: n, receivedAtMs: timeMs, publisher: device, flags: 0, clockSource: null, clockErrorMs: null, rssiDbm: null, placed: 1, tickMs: 0, unknownKeys: 0 })
    columns.addSample(metric, timeMs, n, 0)
  }
  return columns
}

test('samples are ordered by device, metric and time, each exactly once', async (t) => {
  const sample = fc.tuple(fc.integer({ min: 1, max: 2 ** 31 - 1 }), fc.integer({ min: 1, max: 32_767 }), fc.integer({ min: 0, max: 3 }))
  const few = fc.tuple(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 3 }), fc.integer({ min: 0, max: 9 }))
  fc.assert(fc.property(fc.oneof(fc.array(sample), fc.array(few, { maxLength: 200 })), (samples) => {
    const order = [...seriesOrder(filled(samples))]
    const expected = samples.map((_, i) => i).sort((a, b) => {
      const [x, y] = [samples[a], samples[b]] as const
      return x === undefined || y === undefined ? 0 : x[0] - y[0] || x[1] - y[1] || x[2] - y[2] || a - b
    })
    return JSON.stringify(order) === JSON.stringify(expected)
  }))
  t.pass('for any batch')
})

test('receipts are ordered by device and then as they came; masked ones are left out', async (t) => {
  const columns = filled([[9, 1, 0], [2, 1, 0], [9, 1, 0], [2 ** 31 - 1, 1, 0], [2, 1, 0]])
  t.strictSame([...receiptOrder(columns, Uint8Array.of(1, 1, 1, 1, 1))], [1, 4, 0, 2, 3])
  t.strictSame([...receiptOrder(columns, Uint8Array.of(1, 0, 0, 1, 1))], [4, 0, 3])
})

test('columns grow and are used again', async (t) => {
  const columns = filled(Array.from({ length: 20_000 }, (_, i) => [1, 1, i] as const))
  t.equal(columns.samples, 20_000)
  t.equal(columns.sampleTimeMs[19_999], 19_999)
  columns.clear()
  t.match(columns, { messages: 0, samples: 0, waves: [] })
})

test('an int8 is what BigInt says it is, negative and large ones too', async (t) => {
  const out = new BinaryBuffer(8)
  fc.assert(fc.property(fc.maxSafeInteger(), (value) => {
    out.clear()
    out.room(8)
    out.int64(value)
    return out.bytes.readBigInt64BE() === BigInt(value)
  }))
  t.pass('for every safe integer')
})

test('the recent window remembers what was added and nothing else', async (t) => {
  const recent = new RecentReceipts()
  for (let seq = 0; seq < 1_000; seq++) recent.add(5, seq, seq)
  t.ok(recent.has(5, 999, 999))
  t.notOk(recent.has(5, 999, 998), 'another time is another receipt')
  t.notOk(recent.has(6, 999, 999))
  t.notOk(recent.has(0, 0, 0))
  recent.add(2 ** 40, 2 ** 32 - 1, 1)
  t.ok(recent.has(2 ** 40, 2 ** 32 - 1, 1))
})
