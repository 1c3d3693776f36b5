// Reads an uplink PUBLISH in place (MQTT 3.1.1, 3.3). The fast path compares the topic's bytes with the three topics this
// identity may publish on and makes no string; only a publish that is about to be refused is looked at closer, to say why.
import { uplinkTopic, uplinkTopicKinds } from '../schemas/topics.ts'
import { type UplinkKind } from '../queue/queue.ts'
import { isUtf8 } from 'node:buffer'

/** Why a PUBLISH is refused; keys of the table in refusals.ts. */
export type PublishFault = 'malformed-publish' | 'retain' | 'qos2' | 'topic-encoding' | 'topic-wildcard' | 'topic-sys' | 'topic-foreign' | 'topic-unknown'

interface UplinkTopic {
  readonly kind: UplinkKind
  readonly bytes: Buffer
}

/** The uplink topics of one identity, as bytes. Their lengths differ, so the length alone picks the candidate. */
export class UplinkTopics {
  readonly #topics: readonly UplinkTopic[]
  readonly longest: number

  constructor (id: string) {
    this.#topics = uplinkTopicKinds.map((kind) => ({ kind, bytes: Buffer.from(uplinkTopic(id, kind)) }))
    this.longest = Math.max(...this.#topics.map(({ bytes }) => bytes.length))
  }

  /** The kind of the topic at `[from, to)`, or null when it is none of this identity's own. */
  kindOf (buffer: Buffer, from: number, to: number): UplinkKind | null {
    const length = to - from
    const topics = this.#topics
    for (let i = 0; i < topics.length; i++) {
      const { kind, bytes } = topics[i] as UplinkTopic
      if (bytes.length === length && sameBytes(buffer, from, bytes, length)) return kind
    }
    return null
  }
}

function sameBytes (buffer: Buffer, from: number, wanted: Buffer, length: number): boolean {
  for (let i = 0; i < length; i++) {
    if (buffer[from + i] !== wanted[i]) return false
  }
  return true
}

/** The parts of a PUBLISH as offsets. One object is reused for every publish of a process: read it before the next. */
export class PublishView {
  kind: UplinkKind = 'telemetry'
  /** 0 or 1 */
  qos = 0
  /** 0 for QoS 0 */
  packetId = 0
  payloadStart = 0

  /** Fills the view from the frame and answers null, or says why the publish must be refused. */
  read (topics: UplinkTopics, buffer: Buffer, start: number, body: number, end: number): PublishFault | null {
    const flags = buffer[start] as number
    const qos = (flags >> 1) & 3
    if (end - body < 2 || qos === 3) return 'malformed-publish' // [MQTT-3.3.1-4]
    const topicStart = body + 2
    const topicEnd = topicStart + ((buffer[body] as number) << 8 | (buffer[body + 1] as number))
    const payloadStart = qos === 0 ? topicEnd : topicEnd + 2
    if (payloadStart > end) return 'malformed-publish'
    const kind = topics.kindOf(buffer, topicStart, topicEnd)
    if (kind === null) return topicFault(buffer.subarray(topicStart, topicEnd))
    if ((flags & 1) !== 0) return 'retain'
    if (qos === 2) return 'qos2'
    if (qos === 0) {
      if ((flags & 8) !== 0) return 'malformed-publish' // DUP without QoS [MQTT-3.3.1-2]
      this.packetId = 0
    } else {
      this.packetId = (buffer[topicEnd] as number) << 8 | (buffer[topicEnd + 1] as number)
      if (this.packetId === 0) return 'malformed-publish' // [MQTT-2.3.1-1]
    }
    this.kind = kind
    this.qos = qos
    this.payloadStart = payloadStart
    return null
  }
}

/** Why a topic that is none of the publisher's own is refused, the gravest reason first. */
export function topicFault (topic: Buffer): PublishFault {
  if (topic.length === 0) return 'malformed-publish'
  if (!isUtf8(topic) || topic.includes(0)) return 'topic-encoding' // [MQTT-1.5.3-1], [MQTT-1.5.3-2]
  const text = topic.toString('utf8')
  if (/[#+]/.test(text)) return 'topic-wildcard' // [MQTT-3.3.2-2]
  if (text.startsWith('$')) return 'topic-sys'
  return text.startsWith('v1/') ? 'topic-foreign' : 'topic-unknown'
}
