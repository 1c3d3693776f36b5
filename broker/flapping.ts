// Devices that come and are thrown out again and again. MQTT 3.1.1 has no way to refuse one publish: the connection is closed, and a QoS 1
// client comes back and sends the same, for ever. Each such session costs a handshake, so after a number of them in a minute
// the device stays out for a while, longer each time. What is no fault of the device weighs nothing, or a reconnect storm after
// an outage would ban the ward. Bounded: the least recently seen device is forgotten first.
import { LRUCache } from 'lru-cache'
import { type Identity } from './identity.ts'
import { type Limits } from './limits.ts'
import { Penalty, type PenaltyRules } from './penalty.ts'
import { refusals, type RefusalReason } from './refusals.ts'

/** How a connection ended. */
export interface Ending {
  /** Null: the peer ended it. */
  readonly reason: RefusalReason | null
  /** From the end of the handshake, ms. */
  readonly lastedMs: number
  /** Another client with the same identity fights over the session, and this one may be the copy. */
  readonly contested: boolean
}

const maxDevices = 20_000
const windowMs = 60_000
const shortMs = 5_000
const short = 0.1
const takenOver = 0.5

const broken: ReadonlySet<RefusalReason> = new Set<RefusalReason>([
  'not-connect', 'protocol-version', 'client-id', 'keepalive-out-of-range', 'will', 'malformed', 'frame-too-large', 'second-connect', 'unexpected-packet'
])
const unwanted: ReadonlySet<RefusalReason> = new Set<RefusalReason>(['pending', 'suspended', 'retired'])

/** Points of one ending: 1 for a rule broken, half for a session that clones fight over, a little for a short session or a device that may not come in, else nothing. */
export function weight ({ reason, lastedMs, contested }: Ending): number {
  if (reason === null) return lastedMs < shortMs ? short : 0
  if (reason === 'displaced') return contested ? takenOver : 0
  if (broken.has(reason)) return 1
  if (unwanted.has(reason)) return lastedMs < shortMs ? short : 0
  return refusals[reason].stage === 'publish' && reason !== 'not-stored' ? 1 : 0
}

/**
 * Points are kept by certificate: whoever holds an old one of a device that nobody has revoked must not be able to have the device
 * itself kept out. Of one device so many count, the least recently used is forgotten first.
 */
const certificates = 16

type Whose = Pick<Identity, 'id' | 'serial'>

export class Flapping {
  readonly #rules: PenaltyRules
  readonly #devices = new LRUCache<string, Map<string, Penalty>>({ max: maxDevices })
  /** Devices of which a certificate is banned, perhaps; by id. */
  readonly #banned = new Set<string>()

  constructor (limits: Limits) {
    this.#rules = { limit: limits.flappingSessions, windowMs, firstBanMs: limits.flappingFirstBanMs, maxBanMs: limits.flappingMaxBanMs }
  }

  banned ({ id, serial }: Whose, nowMs: number): boolean {
    return this.#banned.has(id) && this.#devices.get(id)?.get(serial)?.banned(nowMs) === true
  }

  /** Gives the length, ms, of the ban that begins with this ending, or 0. */
  ended ({ id, serial }: Whose, ending: Ending, nowMs: number): number {
    const points = weight(ending)
    if (points === 0) return 0
    const penalties = this.#devices.get(id) ?? new Map<string, Penalty>()
    this.#devices.set(id, penalties)
    const penalty = penalties.get(serial) ?? new Penalty()
    penalties.delete(serial)
    penalties.set(serial, penalty)
    if (penalties.size > certificates) penalties.delete(penalties.keys().next().value as string)
    const ms = penalty.add(points, this.#rules, nowMs)
    if (ms > 0) this.#banned.add(id)
    return ms
  }

  /** Forgets the device and its bans, whatever its certificate; says whether there was one. */
  pardon (id: string, nowMs: number): boolean {
    const was = this.#running(id, nowMs)
    this.#devices.delete(id)
    this.#banned.delete(id)
    return was
  }

  /** Devices that are banned now, with one of their certificates at least. */
  count (nowMs: number): number {
    for (const id of this.#banned) if (!this.#running(id, nowMs)) this.#banned.delete(id)
    return this.#banned.size
  }

  #running (id: string, nowMs: number): boolean {
    return [...this.#devices.peek(id)?.values() ?? []].some((penalty) => penalty.banned(nowMs))
  }
}
