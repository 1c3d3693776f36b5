// The decisions of the queue over Redis that need no Redis.
import fc from 'fast-check'
import { test } from 'tap'
import { judge } from '../../../queue/redis/durability.ts'
import { decodeEntry, encodeEntry, idBytes, idText } from '../../../queue/redis/entry.ts'
import { hashOf, Partitioner } from '../../../queue/redis/partitioning.ts'
import { readShares } from '../../../queue/redis/read-shares.ts'
import { defaultQueueLimits } from '../../../queue/limits.ts'

const good = { appendonly: 'yes', appendfsync: 'always', 'no-appendfsync-on-rewrite': 'no', maxmemory: '0', 'maxmemory-policy': 'noeviction' }
const server = { settings: good, role: 'master', aofLastWrite: 'ok', version: '7.0.15' }

test('what makes a server durable, and the remedy for each thing that does not', (t) => {
  t.strictSame(judge(server), { durable: true, remedies: [] })
  for (const [change, remedy] of [
    [{ appendonly: 'no' }, /appendonly yes/],
    [{ appendfsync: 'everysec' }, /appendfsync always/],
    [{ appendfsync: 'no' }, /appendfsync always/],
    [{ 'no-appendfsync-on-rewrite': 'yes' }, /no-appendfsync-on-rewrite no/],
    [{ maxmemory: '100', 'maxmemory-policy': 'allkeys-lru' }, /noeviction/]
  ] as const) {
    const { durable, remedies } = judge({ ...server, settings: { ...good, ...change } })
    t.notOk(durable)
    t.equal(remedies.length, 1)
    t.match(remedies[0], remedy)
  }
  t.ok(judge({ ...server, settings: { ...good, 'maxmemory-policy': 'allkeys-lru' } }).durable, 'without a limit nothing is evicted')
  t.match(judge({ ...server, settings: null }).remedies, [/config\|get/])
  t.match(judge({ ...server, role: 'slave' }).remedies, [/replica/])
  t.match(judge({ ...server, aofLastWrite: 'err' }).remedies, [/disk full/])
  t.end()
})

const message = fc.record({
  publisher: fc.uuid(),
  kind: fc.constantFrom('telemetry' as const, 'birth' as const, 'result' as const),
  payload: fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)),
  receivedAtMs: fc.integer({ min: 0, max: 2 ** 52 })
}, { noNullPrototype: true })

test('an envelope survives the way through an entry, whatever is in it', (t) => {
  fc.assert(fc.property(message, (envelope) => {
    t.strictSame(decodeEntry(encodeEntry(envelope, idBytes(envelope.publisher))), envelope)
  }), { numRuns: 200 })
  t.equal(idText(idBytes('6f1d2c3e-0b1a-4c5d-8e9f-a0b1c2d3e4f5')), '6f1d2c3e-0b1a-4c5d-8e9f-a0b1c2d3e4f5')
  t.equal(decodeEntry(Buffer.alloc(10)), null)
  t.equal(decodeEntry(Buffer.alloc(40)), null, 'version 0')
  t.end()
})

test('the source decides where a message goes, not who publishes it', (t) => {
  const source = idBytes('6f1d2c3e-0b1a-4c5d-8e9f-a0b1c2d3e4f5')
  const relayed = new Partitioner(16, (payload) => payload.length > 0 ? source : null)
  const payload = Buffer.from([1])
  const one = relayed.partitionOf({ publisher: '00000000-0000-4000-8000-000000000001', payload })
  t.equal(relayed.partitionOf({ publisher: '00000000-0000-4000-8000-000000000002', payload }), one)
  t.equal(relayed.partitionOf({ publisher: '6f1d2c3e-0b1a-4c5d-8e9f-a0b1c2d3e4f5', payload: Buffer.alloc(0) }), one, 'itself, or through a gateway')
  t.end()
})

test('FNV-1a as published, and spread evenly', (t) => {
  t.equal(hashOf(Buffer.from('')), 0x811c9dc5)
  t.equal(hashOf(Buffer.from('foobar')), 0xbf9cf968)
  const counts = new Array<number>(16).fill(0)
  for (let i = 0; i < 16_000; i++) {
    const id = Buffer.alloc(16)
    id.writeUInt32BE(i, 12)
    const partition = hashOf(id) % 16
    counts[partition] = (counts[partition] ?? 0) + 1
  }
  t.ok(counts.every((count) => count > 800 && count < 1_200), counts.join(' '))
  t.end()
})

test('what is read at once keeps what is in hand within its bounds', (t) => {
  const free = { messages: 0, bytes: 0 }
  t.equal(readShares(defaultQueueLimits, free, 0, 100), 0, 'nobody to ask')
  t.equal(readShares(defaultQueueLimits, free, 16, 100), 187, 'three batches over 16 partitions')
  t.equal(readShares(defaultQueueLimits, { messages: 3_000, bytes: 0 }, 16, 100), 0)
  t.equal(readShares(defaultQueueLimits, { messages: 10, bytes: 12 * 1024 * 1024 }, 16, 100), 0)
  t.equal(readShares(defaultQueueLimits, free, 16, 64 * 1024), 12, 'large messages: fewer')
  t.equal(readShares({ ...defaultQueueLimits, maxBytes: 1 }, free, 1, 64 * 1024), 1, 'one always goes')
  fc.assert(fc.property(fc.nat(5_000), fc.nat(20_000_000), fc.integer({ min: 1, max: 64 }), fc.integer({ min: 1, max: 65_536 }), (messages, bytes, partitions, mean) => {
    const share = readShares(defaultQueueLimits, { messages, bytes }, partitions, mean)
    return share >= 0 && (share <= 1 || messages + share * partitions <= 3_000)
  }))
  t.end()
})
