// What becomes of a control packet that is not an uplink PUBLISH, decided by its type alone (MQTT 3.1.1, table 2.1).
// Downlink is published at QoS 1, so of the acknowledgements only PUBACK can be meant; all that is left is refused.
import { type Stage } from './front.ts'
import { type RefusalReason } from './refusals.ts'

export const packetType = {
  connect: 1, connack: 2, publish: 3, puback: 4, pubrec: 5, pubrel: 6, pubcomp: 7, subscribe: 8, suback: 9, unsubscribe: 10, unsuback: 11, pingreq: 12, pingresp: 13, disconnect: 14
} as const

/** "Unacceptable protocol version" (MQTT 3.1.1, 3.2.2.3), which other versions understand too. */
export const connackVersion = Buffer.from([packetType.connack << 4, 2, 0, 1])

/**
 * The protocol level of a CONNECT whose body starts at `body`, when its protocol name is one that MQTT has had: MQTT (3.1.1: level 4)
 * or MQIsdp (3.1: level 3). Null: it is no MQTT. [MQTT-3.1.2-1]
 */
export function protocolLevel (buffer: Buffer, body: number, end: number): number | null {
  const nameEnd = body + 2 + (end - body < 2 ? 0 : buffer.readUInt16BE(body))
  if (nameEnd >= end) return null
  const name = buffer.toString('latin1', body + 2, nameEnd)
  return name === 'MQTT' || name === 'MQIsdp' ? buffer[nameEnd] ?? null : null
}

export const pingresp = Buffer.from([packetType.pingresp << 4, 0])

/** Most bytes around a PUBLISH's topic and payload: fixed header, topic length, packet id. */
export const publishOverheadBytes = 5 + 2 + 2

/** `greet` and `pass`: give it to Aedes; `farewell`: DISCONNECT; else the reason to refuse. */
export function disposition (type: number, stage: Stage): 'greet' | 'pass' | 'farewell' | RefusalReason {
  if (stage === 'greeting') return type === packetType.connect ? 'greet' : 'not-connect' // [MQTT-3.1.0-1]
  switch (type) {
    case packetType.puback: case packetType.subscribe: case packetType.unsubscribe: case packetType.pingreq: return 'pass'
    case packetType.disconnect: return 'farewell'
    case packetType.connect: return 'second-connect' // [MQTT-3.1.0-2]
    default: return 'unexpected-packet'
  }
}
