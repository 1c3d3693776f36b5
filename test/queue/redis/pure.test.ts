// The decisions of the queue over Redis that need no Redis.
import fc from 'fast-check'
import { test } from 'tap'
import { judge } from '../../../queue/redis/durability.ts'
import { decodeEntry, encodeEntry, idBytes, idText } from '../../../queue/redis/entry.ts'
import { hashOf, Partitioner } from '../../../queue/redis/partitioning.ts'
import { Allowance } from '../../../queue/redis/allowance.ts'
import { split, type Chunk } from '../../../queue/redis/outbound.ts'
import { type Amount, readShares } from '../../../queue/redis/read-shares.ts'
import { mustGoAlone, treatmentOf } from '../../../queue/redis/suspicion.ts'
import { sender } from '../../fixtures/envelopes.ts'
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
  receivedAtMs: fc.integer({ min: 0, max: 2 ** 48 - 1 })
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

const mebi = 1024 * 1024

test('what is read at once keeps what is in hand within its bounds', (t) => {
  const free = { messages: 0, bytes: 0 }
  const asked = (inHand: Amount, partitions: number, allowed = 100 * mebi, underWay = 0): Amount | null => readShares(defaultQueueLimits, inHand, partitions, allowed, underWay)
  t.equal(asked(free, 0), null, 'nobody to ask')
  t.strictSame(asked(free, 16), { messages: 187, bytes: 12 * mebi / 16 }, 'three batches over 16 partitions')
  t.equal(asked({ messages: 3_000, bytes: 0 }, 16), null)
  t.equal(asked({ messages: 10, bytes: 12 * mebi }, 16), null)
  t.strictSame(asked(free, 16, 64 * 1024), { messages: 187, bytes: 4 * 1024 }, 'a slow link')
  t.equal(asked({ messages: 100, bytes: 0 }, 16, mebi, mebi), null, 'as much is on its way as may be')
  t.strictSame(readShares({ ...defaultQueueLimits, maxMessages: 0 }, free, 4, mebi, 0), { messages: 1, bytes: 1 }, 'one always goes')
  fc.assert(fc.property(fc.nat(5_000), fc.nat(20_000_000), fc.integer({ min: 1, max: 64 }), fc.integer({ min: 1, max: 5_000_000 }), (messages, bytes, partitions, allowed) => {
    const share = asked({ messages, bytes }, partitions, allowed)
    if (share === null) return true
    const total = { messages: messages + share.messages * partitions, bytes: share.bytes * partitions }
    return (share.messages === 1 || total.messages <= 3_000) && (share.bytes === 1 || (bytes + total.bytes <= 12 * mebi && total.bytes <= allowed))
  }))
  t.end()
})

test('a time-out halves what may be on its way, an answer lets it grow again, other failures say nothing', (t) => {
  const allowance = new Allowance(mebi)
  allowance.failed(new Error('OOM command not allowed'))
  t.equal(allowance.bytes, mebi)
  for (let i = 0; i < 30; i++) allowance.failed(new Error('Command timed out'))
  t.equal(allowance.bytes, 4_096, 'something always goes')
  for (let i = 0; i < 40; i++) allowance.succeeded()
  t.equal(allowance.bytes, mebi)
  t.end()
})

test('a chunk is cut by bytes, nothing is left out, nothing comes twice', (t) => {
  const sent = sender()
  fc.assert(fc.property(fc.array(fc.nat(500), { minLength: 1, maxLength: 50 }), fc.integer({ min: 1, max: 2_000 }), (sizes, maxBytes) => {
    const envelopes = sizes.map((size) => sent.envelope(size))
    const bytes = sizes.reduce((sum, size) => sum + size, 0)
    const parts: Chunk[] = []
    for (let rest: Chunk | null = { envelopes, bytes }; rest !== null;) {
      const [now, later]: [Chunk, Chunk | null] = split(rest, maxBytes)
      parts.push(now)
      rest = later
    }
    return parts.every((part) => part.envelopes.length > 0 && (part.bytes <= maxBytes || part.envelopes.length === 1 || part.envelopes.filter(({ payload }) => payload.length > 0).length === 1) &&
      part.bytes === part.envelopes.reduce((sum, { payload }) => sum + payload.length, 0)) &&
      parts.flatMap((part) => part.envelopes).every((envelope, i) => envelope === envelopes[i]) && parts.flatMap((part) => part.envelopes).length === envelopes.length
  }))
  t.end()
})

test('a message is suspected by deaths, and called poison only when it was alone', (t) => {
  t.strictSame([1, 2, 3, 9].map(mustGoAlone), [false, false, true, true])
  t.strictSame([1, 2, 3].map(treatmentOf), ['alone', 'alone', 'poison'])
  t.end()
})
