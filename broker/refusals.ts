// Every reason for which the broker says no or ends a connection: one table, so that logs, metrics, docs/broker.md and
// tests use the same words. Counts them as plain integers, logs each with its device, and goes quiet under a storm.
import { type Logger } from '../runtime/observability.ts'
import { type Party } from './audit-events.ts'

/**
 * Where a refusal happens: `handshake` (no MQTT byte was read), `connect` (before CONNACK 0), `publish` (one message),
 * `subscribe` (one filter; the connection stays), `session` (a connection that was accepted is ended).
 */
export type Stage = 'handshake' | 'connect' | 'publish' | 'subscribe' | 'session'

export interface Refusal {
  readonly stage: Stage
  readonly meaning: string
}

export const refusals = {
  // handshake: by OpenSSL, or by us at secureConnection
  'too-many-connections': { stage: 'handshake', meaning: 'the broker holds as many sockets as it may' },
  'too-many-from-address': { stage: 'handshake', meaning: 'the address holds as many connections as it may' },
  'address-banned': { stage: 'handshake', meaning: 'too many failed to show who they are from this address; it is kept out for a while' },
  'handshake-busy': { stage: 'handshake', meaning: 'so many came at once that its turn to begin did not come in time' },
  'handshake-timeout': { stage: 'handshake', meaning: 'the TLS handshake did not end in time' },
  'handshake-aborted': { stage: 'handshake', meaning: 'the peer went away during the TLS handshake' },
  'tls-protocol': { stage: 'handshake', meaning: 'not TLS, or no version or cipher suite in common' },
  'server-untrusted': { stage: 'handshake', meaning: 'the peer does not take our server certificate: it has ended, or its CA is not known there' },
  'no-certificate': { stage: 'handshake', meaning: 'the peer showed no certificate' },
  'certificate-untrusted': { stage: 'handshake', meaning: 'the certificate was not issued under our CA' },
  'certificate-expired': { stage: 'handshake', meaning: 'the certificate is past its end (also: it ended during a session)' },
  'certificate-not-yet-valid': { stage: 'handshake', meaning: 'the certificate is not valid yet' },
  'certificate-revoked': { stage: 'handshake', meaning: 'the certificate is on a CRL, here or at another broker (also: it was revoked during a session)' },
  'certificate-purpose': { stage: 'handshake', meaning: 'the certificate does not carry extended key usage clientAuth' },
  'certificate-issuer': { stage: 'handshake', meaning: 'the certificate was issued by another CA below our root' },
  'certificate-identity': { stage: 'handshake', meaning: 'not exactly one URI SAN, or it is not urn:uuid:<device id>' },
  'certificate-superseded': { stage: 'handshake', meaning: 'a newer certificate of the device has been used (only with clonePolicy refuse)' },
  flapping: { stage: 'handshake', meaning: 'the device came and was thrown out again and again; it is kept out for a while' },
  'crl-unusable': { stage: 'handshake', meaning: 'a CRL of ours is past its end or not valid yet: nobody can be checked' },
  'certificate-other': { stage: 'handshake', meaning: 'the certificate failed another check of OpenSSL; the log has its code' },
  // connect
  draining: { stage: 'connect', meaning: 'the broker is stopping' },
  'connect-timeout': { stage: 'connect', meaning: 'CONNECT was not complete and answered in time' },
  'not-connect': { stage: 'connect', meaning: 'the first packet was not CONNECT' },
  'protocol-version': { stage: 'connect', meaning: 'another version than MQTT 3.1.1; answered with CONNACK 1' },
  'client-id': { stage: 'connect', meaning: 'the client id is not the id in the certificate' },
  'keepalive-out-of-range': { stage: 'connect', meaning: 'the keepalive is above the limit, or 0 where that is refused' },
  will: { stage: 'connect', meaning: 'the will is retained, QoS 2, or not on an uplink topic of its own device' },
  pending: { stage: 'connect', meaning: 'the device is registered and waits for approval (also: its state changed during a session)' },
  suspended: { stage: 'connect', meaning: 'the device is suspended (also: it was suspended during a session)' },
  retired: { stage: 'connect', meaning: 'the device is retired (also: it was retired or deleted during a session)' },
  'registry-unavailable': { stage: 'connect', meaning: 'the registry cannot answer and the device is not known from earlier' },
  'registration-limited': { stage: 'connect', meaning: 'the device is not registered, and more unknown ones came in this minute than may be' },
  'takeover-timeout': { stage: 'connect', meaning: 'the older session of the device did not end in time' },
  // one message
  'malformed-publish': { stage: 'publish', meaning: 'the PUBLISH breaks MQTT 3.1.1' },
  retain: { stage: 'publish', meaning: 'retained telemetry is not a thing' },
  qos2: { stage: 'publish', meaning: 'QoS 2 is not taken: a PUBACK already means stored, exactly once' },
  'topic-encoding': { stage: 'publish', meaning: 'the topic is not UTF-8 or holds NUL' },
  'topic-wildcard': { stage: 'publish', meaning: 'the topic holds # or +' },
  'topic-sys': { stage: 'publish', meaning: 'topics under $ belong to the broker' },
  'topic-foreign': { stage: 'publish', meaning: 'a v1/ topic that is not an uplink topic of its own device' },
  'topic-unknown': { stage: 'publish', meaning: 'not a topic of Pulsegate' },
  'not-stored': { stage: 'publish', meaning: 'the queue gave the message back; it was not acknowledged and the device sends it again' },
  // one filter
  'subscribe-foreign': { stage: 'subscribe', meaning: 'only v1/<own id>/command may be subscribed; answered with 0x80' },
  // session
  malformed: { stage: 'session', meaning: 'bytes that are not MQTT' },
  'frame-too-large': { stage: 'session', meaning: 'a packet announced more bytes than it may have' },
  'second-connect': { stage: 'session', meaning: 'CONNECT on a connection that is connected' },
  'unexpected-packet': { stage: 'session', meaning: 'a packet that a device has no business sending' },
  'keepalive-timeout': { stage: 'session', meaning: 'nothing heard for 1.5 times the keepalive' },
  'write-stalled': { stage: 'session', meaning: 'the peer does not read what we write' },
  displaced: { stage: 'session', meaning: 'the same device connected again, here or at another broker' },
  disconnected: { stage: 'session', meaning: 'ended by the operator' }
} as const satisfies Record<string, Refusal>

export type RefusalReason = keyof typeof refusals

/** Who was refused, and what else is known; never a payload. */
export interface RefusalFields extends Party {
  /** A connection that was accepted ends with this refusal. */
  readonly session?: boolean
  /** The device is what the refused certificate says, which nobody has verified. */
  readonly claimed?: boolean
  /** What OpenSSL calls it. */
  readonly openssl?: string | undefined
  /** The broker that has the newer session. */
  readonly by?: string
  /** Protocol level of MQTT asked for. */
  readonly level?: number
  /** Type of the packet. */
  readonly packet?: number
  /** For the log. */
  readonly detail?: string
}

const linesPerSecond = 20 // of the log; a reconnect storm must not become a log storm

export class Refusals {
  /** Told of each refusal after it was counted; guard.ts listens. */
  onAdded: (reason: RefusalReason, fields: RefusalFields) => void = () => {}
  readonly #counts = new Map<RefusalReason, number>()
  readonly #log: Logger
  #second = 0
  #lines = 0
  #unlogged = 0

  constructor (log: Logger) {
    this.#log = log
  }

  count (reason: RefusalReason): number { return this.#counts.get(reason) ?? 0 }

  /** Messages refused, `not-stored` included. */
  get messages (): number {
    let sum = 0
    for (const [reason, count] of this.#counts) if (refusals[reason].stage === 'publish') sum += count
    return sum
  }

  /** Counts by reason; reasons that never happened are absent. */
  all (): Record<string, number> { return Object.fromEntries(this.#counts) }

  /** Counts, logs and passes on one refusal. */
  add (reason: RefusalReason, fields: RefusalFields): void {
    this.#counts.set(reason, this.count(reason) + 1)
    this.#write(reason, fields)
    this.onAdded(reason, fields)
  }

  #write (reason: RefusalReason, fields: RefusalFields): void {
    const second = Math.floor(Date.now() / 1_000)
    if (second !== this.#second) {
      if (this.#unlogged > 0) this.#log.warn({ refusals: this.#unlogged }, 'more refusals than the log takes; the metrics have them all')
      this.#second = second
      this.#lines = this.#unlogged = 0
    }
    if (++this.#lines > linesPerSecond) this.#unlogged++
    else this.#log.warn({ reason, stage: refusals[reason].stage, ...fields }, refusals[reason].meaning)
  }
}
