import fc from 'fast-check'
import { test } from 'tap'
import { AckLine, Taken } from '../../broker/taken.ts'

const taker = { settled: () => {} }

function taken (packetId: number): Taken {
  return new Taken(taker, 'device', 'telemetry', Buffer.alloc(0), packetId, 0, 0)
}

function idsOf (bytes: Buffer | null): number[] {
  const ids: number[] = []
  for (let at = 0; at < (bytes?.length ?? 0); at += 4) {
    if (bytes?.readUInt16BE(at) !== 0x4002) throw new Error('not a PUBACK')
    ids.push(bytes.readUInt16BE(at + 2))
  }
  return ids
}

test('acknowledgements leave in the order of the publishes, in whatever order the queue settles', (t) => {
  fc.assert(fc.property(fc.integer({ min: 1, max: 50 }).chain((count) =>
    fc.tuple(fc.shuffledSubarray(Array.from({ length: count }, (_, i) => i), { minLength: count }), fc.array(fc.boolean(), { minLength: count, maxLength: count }))
  ), ([order, flushAfter]) => {
    const line = new AckLine()
    const messages = order.map((_, i) => taken(i + 1))
    for (const message of messages) line.push(message)
    const acked: number[] = []
    let left = 0
    order.forEach((index, i) => {
      messages[index]?.settle(null)
      if (flushAfter[i] === true || i === order.length - 1) acked.push(...idsOf(line.take(() => { left++ }).bytes))
    })
    return acked.length === order.length && left === order.length && acked.every((id, i) => id === i + 1) && line.empty
  }))
  t.end()
})

test('what is due together is one run of bytes', (t) => {
  const line = new AckLine()
  const messages = [1, 2, 300, 65_535].map(taken)
  for (const message of messages) line.push(message)
  for (const message of messages.slice(1)) message.settle(null)
  t.equal(line.due, false, 'the first still waits')
  t.equal(line.take(() => {}).bytes, null)
  messages[0]?.settle(null)
  t.equal(line.due, true)
  t.strictSame(idsOf(line.take(() => {}).bytes), [1, 2, 300, 65_535])
  t.end()
})

test('nothing is acknowledged from the first message on that was not stored', (t) => {
  const line = new AckLine()
  const messages = [1, 2, 3].map(taken)
  for (const message of messages) line.push(message)
  messages[0]?.settle(null)
  messages[1]?.settle(new Error('full'))
  messages[2]?.settle(null)
  const { bytes, notStored } = line.take(() => {})
  t.strictSame(idsOf(bytes), [1])
  t.equal(notStored, true)
  t.strictSame(idsOf(line.take(() => {}).bytes), [])
  t.end()
})

test('a second settle changes nothing', (t) => {
  let settled = 0
  const message = new Taken({ settled: () => { settled++ } }, 'device', 'birth', Buffer.alloc(0), 1, 0, 0)
  message.settle(new Error('closed'))
  message.settle(null)
  t.equal(message.outcome, 'not-stored')
  t.equal(settled, 1)
  t.end()
})

test('a line given up lets go of every message', (t) => {
  const line = new AckLine()
  const messages = [1, 2, 3].map(taken)
  for (const message of messages) line.push(message)
  const left: number[] = []
  line.abandon(({ packetId }) => left.push(packetId))
  t.strictSame(left, [1, 2, 3])
  t.ok(line.empty)
  t.ok(messages.every(({ next }) => next === null))
  t.end()
})
