// Judges a CONNECT by what it says of itself, before the registry is asked. Pure: takes the packet as Aedes parsed it and
// the identity of the certificate, gives the reason to refuse or null.
import { parseTopic } from '../schemas/topics.ts'
import { type UplinkKind } from '../queue/queue.ts'
import { type Limits } from './limits.ts'
import { type RefusalReason } from './refusals.ts'

export interface Will {
  readonly topic: string
  readonly qos: number
  readonly retain: boolean
}

export interface Hello {
  readonly clientId: string
  /** Seconds; 0: the client asks for none. */
  readonly keepaliveS: number
  readonly will: Will | null
}

/** Why this CONNECT is refused, or null. */
export function helloFault (hello: Hello, id: string, limits: Limits): RefusalReason | null {
  if (hello.clientId !== id) return 'client-id'
  if (hello.keepaliveS === 0 ? limits.keepaliveZero === 'refuse' : hello.keepaliveS > limits.maxKeepaliveS) return 'keepalive-out-of-range'
  if (hello.will !== null && (hello.will.retain || hello.will.qos > 1 || uplinkKindOf(hello.will.topic, id) === null)) return 'will'
  return null
}

/** The kind of an uplink topic of device `id`, or null when the topic is anything else. */
export function uplinkKindOf (topic: string, id: string): UplinkKind | null {
  const parsed = parseTopic(topic)
  return parsed === null || parsed.device !== id || parsed.kind === 'command' ? null : parsed.kind
}

/** CONNACK return codes of MQTT 3.1.1, 3.2.2.3: 2 identifier rejected, 3 server unavailable, 5 not authorized. */
export function connackCode (reason: RefusalReason): 2 | 3 | 5 {
  switch (reason) {
    case 'client-id': return 2
    case 'registry-unavailable': case 'registration-limited': case 'takeover-timeout': case 'draining': return 3
    default: return 5
  }
}
