import { generate } from 'mqtt-packet'
import { test } from 'tap'
import { PublishView, topicFault, UplinkTopics } from '../../broker/publish.ts'
import { refusals } from '../../broker/refusals.ts'

const own = '0b4e1f6a-6c1a-4d5c-9a54-2f1de7a2c101'
const other = '0b4e1f6a-6c1a-4d5c-9a54-2f1de7a2c102'
const topics = new UplinkTopics(own)

function read (frame: Buffer): string | { kind: string, qos: number, packetId: number, payload: string } {
  const view = new PublishView()
  const body = (frame[1] as number) < 0x80 ? 2 : 3
  const fault = view.read(topics, frame, 0, body, frame.length)
  return fault ?? { kind: view.kind, qos: view.qos, packetId: view.packetId, payload: frame.subarray(view.payloadStart).toString() }
}

function publish (topic: string, more: { qos?: 0 | 1 | 2, retain?: boolean, dup?: boolean } = {}): Buffer {
  return generate({ cmd: 'publish', topic, payload: 'data', qos: 1, messageId: 0x1234, retain: false, dup: false, ...more })
}

test('the three uplink topics of the identity are read in place', (t) => {
  for (const kind of ['telemetry', 'birth', 'result']) {
    t.strictSame(read(publish(`v1/${own}/${kind}`)), { kind, qos: 1, packetId: 0x1234, payload: 'data' })
    t.strictSame(read(publish(`v1/${own}/${kind}`, { qos: 0 })), { kind, qos: 0, packetId: 0, payload: 'data' })
  }
  t.match(read(publish(`v1/${own}/birth`, { dup: true })), { kind: 'birth' }, 'a resend is taken')
  t.end()
})

test('every other PUBLISH is refused, and the reason says why [C3]', (t) => {
  const cases: Array<[string, Buffer]> = [
    ['topic-foreign', publish(`v1/${other}/telemetry`)],
    ['topic-foreign', publish(`v1/${own.toUpperCase()}/telemetry`)],
    ['topic-foreign', publish(`v1/${own}/command`)],
    ['topic-foreign', publish(`v1/${own}/telemetrx`)],
    ['topic-foreign', publish(`v1/${own}/telemetry/`)],
    ['topic-unknown', publish('hello/world')],
    ['topic-unknown', publish(`/v1/${own}/telemetry`)],
    ['topic-sys', publish('$SYS/broker/heartbeat')],
    ['retain', publish(`v1/${own}/telemetry`, { retain: true })],
    ['qos2', publish(`v1/${own}/telemetry`, { qos: 2 })]
  ]
  for (const [reason, frame] of cases) t.equal(read(frame), reason)
  const cut = publish(`v1/${own}/telemetry`)
  t.equal(read(cut.subarray(0, 30)), 'malformed-publish', 'topic longer than the packet')
  t.equal(read(cut.subarray(0, 2 + 2 + 49 + 1)), 'malformed-publish', 'no room for the packet id')
  t.equal(read(Buffer.from([0x30, 1, 0])), 'malformed-publish', 'no room for a topic length')
  const qos3 = Buffer.from(cut)
  qos3[0] = 0x36
  t.equal(read(qos3), 'malformed-publish', 'QoS 3')
  const zero = Buffer.from(cut)
  zero.fill(0, 2 + 2 + 49, 2 + 2 + 49 + 2)
  t.equal(read(zero), 'malformed-publish', 'packet id 0')
  const dup = publish(`v1/${own}/telemetry`, { qos: 0 })
  dup[0] = 0x38
  t.equal(read(dup), 'malformed-publish', 'DUP at QoS 0')
  t.end()
})

test('topics are judged by bytes: wildcards, bad UTF-8, NUL [C3]', (t) => {
  t.equal(topicFault(Buffer.from(`v1/${own}/#`)), 'topic-wildcard')
  t.equal(topicFault(Buffer.from('v1/+/telemetry')), 'topic-wildcard')
  t.equal(topicFault(Buffer.from([0x76, 0x31, 0x2f, 0xc3, 0x28])), 'topic-encoding')
  t.equal(topicFault(Buffer.from([0xed, 0xa0, 0x80])), 'topic-encoding', 'a surrogate')
  t.equal(topicFault(Buffer.from('v1/\0/telemetry')), 'topic-encoding')
  t.equal(topicFault(Buffer.alloc(0)), 'malformed-publish')
  t.end()
})

test('all reasons a PUBLISH is refused for count as refused messages', (t) => {
  for (const reason of ['malformed-publish', 'retain', 'qos2', 'topic-encoding', 'topic-wildcard', 'topic-sys', 'topic-foreign', 'topic-unknown', 'not-stored'] as const) {
    t.equal(refusals[reason].stage, 'publish')
  }
  t.end()
})
