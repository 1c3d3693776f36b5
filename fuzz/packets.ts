// MQTT packets for fuzzers: right ones with fields drawn at random, wrong ones, and wrong ones that are nearly right.
import { generate, type Packet } from 'mqtt-packet'
import { type Random } from '../simulator/random.ts'
import { mutate } from './mutate.ts'
import { below, chance, pick } from './target.ts'

export const deviceId = '6f1d2c3e-0b1a-4c5d-8e9f-a0b1c2d3e4f5'
const other = '00000000-0000-4000-8000-000000000001'

const topics = (id: string) => [
  `v1/${id}/telemetry`, `v1/${id}/birth`, `v1/${id}/result`, `v1/${id}/command`, `v1/${other}/telemetry`, `v1/${id}/telemetry/x`, '$SYS/x', '#', 'v1/+/telemetry', 'x',
  `v1/${id}/tele\u0000metry`, `v1/${id}/`, '/', 'é'.repeat(40), 'a'.repeat(300)
]

/** One packet of a device `id`, most often one that it may send. */
export function packet (random: Random, id: string): Buffer {
  const topic = () => chance(random, 0.6) ? `v1/${id}/telemetry` : pick(random, topics(id))
  const messageId = () => chance(random, 0.9) ? below(random, 1, 65_536) : 1
  const make: Array<() => Packet | Buffer> = [
    () => ({ cmd: 'publish', topic: topic(), payload: random.bytes(below(random, 0, 200)), qos: pick(random, [0, 1, 1, 1, 2]), messageId: messageId(), retain: chance(random, 0.1), dup: chance(random, 0.2) }),
    () => ({ cmd: 'subscribe', messageId: messageId(), subscriptions: Array.from({ length: below(random, 1, 4) }, () => ({ topic: chance(random, 0.6) ? `v1/${id}/command` : pick(random, topics(id)), qos: pick(random, [0, 1, 2]) })) }),
    () => ({ cmd: 'unsubscribe', messageId: messageId(), unsubscriptions: [pick(random, topics(id))] }),
    () => ({ cmd: pick(random, ['puback', 'pubrec', 'pubrel', 'pubcomp']), messageId: messageId() }),
    () => ({ cmd: 'pingreq' }),
    () => ({ cmd: 'disconnect' }),
    () => ({ cmd: pick(random, ['pingresp', 'connack', 'suback', 'unsuback']), messageId: messageId(), returnCode: 0, sessionPresent: false, granted: [0] } as unknown as Packet),
    () => connect(random, id),
    () => Buffer.concat([Buffer.from([below(random, 0, 256)]), Buffer.from(pick(random, ['00', '01', '7f', '8001', 'ffffff7f', 'ffffffff', 'ffffffffff']), 'hex'), random.bytes(below(random, 0, 40))])
  ]
  try {
    const made = chance(random, 0.5) ? pick(random, make.slice(0, 1))() : pick(random, make)()
    return Buffer.isBuffer(made) ? made : generate(made)
  } catch {
    return random.bytes(below(random, 1, 30)) // a packet that mqtt-packet refuses to write
  }
}

export function connect (random: Random, id: string): Buffer {
  const will = { topic: pick(random, topics(id)), payload: random.bytes(below(random, 0, 30)), qos: pick(random, [0, 1, 2] as const), retain: chance(random, 0.3) }
  try {
    return generate({
      cmd: 'connect',
      protocolId: chance(random, 0.9) ? 'MQTT' : 'MQIsdp',
      protocolVersion: pick(random, [4, 4, 4, 4, 3, 5]),
      clientId: chance(random, 0.8) ? id : pick(random, [other, '', 'x'.repeat(below(random, 1, 200))]),
      clean: chance(random, 0.7),
      keepalive: pick(random, [0, 1, 60, 3_600, 65_535]),
      ...(chance(random, 0.2) && { username: 'u', password: random.bytes(below(random, 0, 40)) }),
      ...(chance(random, 0.3) && { will })
    })
  } catch {
    return Buffer.from([0x10, 0x02, 0x00, 0x04])
  }
}

/** A stream of packets, now and then with bytes changed in it. */
export function stream (random: Random, id: string, known: readonly Buffer[]): Buffer {
  const bytes = Buffer.concat(Array.from({ length: below(random, 1, 8) }, () => packet(random, id)))
  return chance(random, 0.5) ? mutate(random, bytes, known, 20_000) : bytes
}
