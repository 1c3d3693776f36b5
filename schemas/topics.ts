// The topic grammar, built and parsed in one place: `v1/<device id>/<kind>`. The broker takes rights from what
// `parseTopic` answers, so it knows exactly one spelling of each topic: lower-case UUID text, three levels, no wildcard.
// Anything else is null, and null means deny (MQTT 3.1.1, 4.7: topics are case-sensitive and compared level by level).
import { isDeviceId } from './device.ts'

/** What a device publishes. `result` answers a command; its payload has no contract yet. */
export const uplinkTopicKinds = ['telemetry', 'birth', 'result'] as const
export type UplinkTopicKind = typeof uplinkTopicKinds[number]
export type TopicKind = UplinkTopicKind | 'command'

export interface Topic {
  /** Device id, lower-case UUID text: the publisher of an uplink topic, the addressee of a command topic. */
  readonly device: string
  readonly kind: TopicKind
}

const kinds: ReadonlyMap<string, TopicKind> =
  new Map<string, TopicKind>([...uplinkTopicKinds, 'command' as const].map((kind) => [kind, kind]))

// 'v1/' + 36 characters of UUID + '/': the kind starts here
const deviceAt = 3
const slashAt = deviceAt + 36

/** The topic on which device `id` publishes messages of `kind`. */
export function uplinkTopic (id: string, kind: UplinkTopicKind): string {
  return `v1/${id}/${kind}`
}

/** The topic on which device `id` receives commands. */
export function commandTopic (id: string): string {
  return `v1/${id}/command`
}

/** The device and kind a topic names, or null when it is not exactly a topic of ours (filters with wildcards included). */
export function parseTopic (topic: string): Topic | null {
  if (!topic.startsWith('v1/') || topic[slashAt] !== '/') return null
  const device = topic.slice(deviceAt, slashAt)
  const kind = kinds.get(topic.slice(slashAt + 1))
  return kind !== undefined && isDeviceId(device) ? { device, kind } : null
}
