import { test } from 'tap'
import fc from 'fast-check'
import { commandTopic, parseTopic, uplinkTopic, uplinkTopicKinds } from '../../schemas/topics.ts'

const id = '0190f3a2-b4c5-7d8e-9fa0-b1c2d3e4f506'

test('what is built is parsed back', async (t) => {
  for (const kind of uplinkTopicKinds) t.same(parseTopic(uplinkTopic(id, kind)), { device: id, kind })
  t.same(parseTopic(commandTopic(id)), { device: id, kind: 'command' })
})

test('anything not exact is null', async (t) => {
  const foreign = [
    '', 'v1', 'v1/', `v1/${id}`, `v1/${id}/`, `v1/${id}/telemetry/`, `/v1/${id}/telemetry`, `v2/${id}/telemetry`,
    `V1/${id}/telemetry`, `v1/${id}/Telemetry`, `v1/${id}/status`, `v1/${id.toUpperCase()}/telemetry`,
    `v1/${id.replaceAll('-', '')}/telemetry`, `v1/{${id}}/telemetry`, `v1/${id}x/telemetry`, `v1/${id}//telemetry`,
    `v1/${id}/telemetry\0`, `v1/${id}\n/telemetry`, ` v1/${id}/telemetry`, `v1/${id}/telemetry `,
    'v1/+/telemetry', `v1/${id}/+`, `v1/${id}/#`, `v1/${id}/telemetry/#`, '#', '+/+/+', '$SYS/broker/uptime',
    `$share/group/v1/${id}/command`, `$SYS/v1/${id}/telemetry`, `v1/${id}/constructor`, `v1/${id}/__proto__`
  ]
  for (const topic of foreign) t.equal(parseTopic(topic), null, JSON.stringify(topic))
})

test('any other text is null, and nothing throws', async (t) => {
  fc.assert(fc.property(fc.string({ unit: 'binary' }), (text) => parseTopic(text) === null))
  // one character changed, dropped or added anywhere
  const topic = uplinkTopic(id, 'telemetry')
  const change = fc.tuple(fc.nat(topic.length), fc.nat(1), fc.string({ unit: 'binary', maxLength: 1 }))
  fc.assert(fc.property(change, ([at, dropped, added]) => {
    const changed = topic.slice(0, at) + added + topic.slice(at + dropped)
    const parsed = parseTopic(changed)
    return parsed === null || uplinkTopic(parsed.device, 'telemetry') === changed
  }))
  t.pass('1,000 texts')
})
