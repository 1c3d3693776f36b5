// What the clock demands of a connection, decided apart from doing it. Asked a few times a second for every connection;
// takes what the front knows of itself and answers the one thing to do, or null.
import { type Limits } from './limits.ts'
import { type RefusalReason } from './refusals.ts'
import { stop } from './stops.ts'

/** When something last happened to a connection, monotonic ms; 0 where it never did. */
export interface Times {
  readonly accepted: number
  /** A whole packet came in, or reading began again. */
  heard: number
  /** The peer stopped taking what we write. */
  writeStopped: number
  /** We stopped reading, or wrote a PINGRESP ahead. */
  spoke: number
  farewell: number
  closed: number
}

/** What is looked at. */
export interface Clocked {
  readonly stage: 'greeting' | 'connecting' | 'connected' | 'closed'
  readonly stops: number
  readonly since: Readonly<Times>
  readonly keepaliveMs: number
  readonly silenceMs: number
  readonly identity: { readonly expiresAtMs: number }
}

/**
 * `cut`: destroy the socket; `leave`: stop waiting for acknowledgements; `ping`: write a PINGRESP ahead; a reason: refuse.
 *
 * The PINGRESP ahead: while we do not read a connection (its bound, or the budget, is reached because a commit is slow)
 * its PINGREQ stands unread behind its publishes. A device that hears nothing for its keepalive hangs up, and an outage
 * of the database would become a storm of reconnects. So we say once per half keepalive what we would answer.
 */
export function lateness (front: Clocked, limits: Limits, nowMs: number, wallMs: number): RefusalReason | 'cut' | 'leave' | 'ping' | null {
  const { since, stops } = front
  if (front.stage === 'closed') return nowMs - since.closed > limits.lingerMs ? 'cut' : null
  if (front.stage !== 'connected') return nowMs - since.accepted > limits.connectTimeoutMs ? 'connect-timeout' : null
  if (wallMs >= front.identity.expiresAtMs) return 'certificate-expired'
  if ((stops & stop.write) !== 0) return nowMs - since.writeStopped > limits.writeStallMs ? 'write-stalled' : null
  if ((stops & stop.farewell) !== 0) return nowMs - since.farewell > limits.farewellMs ? 'leave' : null
  if (stops === 0 || stops === stop.control) return nowMs - since.heard > front.silenceMs ? 'keepalive-timeout' : null
  return front.keepaliveMs > 0 && nowMs - since.spoke > front.keepaliveMs / 2 ? 'ping' : null
}
