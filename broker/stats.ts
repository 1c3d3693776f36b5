// What the broker says of itself at any moment: for metrics, readiness and tests.
import { type Front } from './front.ts'
import { type Gate } from './gate.ts'
import { type Guard } from './guard.ts'
import { type Refusals } from './refusals.ts'
import { stop } from './stops.ts'
import { type UplinkServices } from './uplink.ts'

export interface BrokerStats {
  /** Sockets that have passed the TLS handshake. */
  readonly connections: number
  /** Those whose CONNECT was accepted. */
  readonly sessions: number
  /** Those we have stopped reading. */
  readonly paused: number
  /** Messages that came in: given to the queue, or refused. received = stored + duplicate + quarantined + refused. */
  readonly received: number
  /** Messages refused, `not-stored` included. */
  readonly messagesRefused: number
  readonly pubacksSent: number
  readonly inFlight: { readonly messages: number, readonly bytes: number }
  /** Every refusal since the start by reason (broker/refusals.ts); reasons that never happened are absent. */
  readonly refused: Readonly<Record<string, number>>
  /** From taking a PUBLISH to writing its PUBACK, over the whole life of the broker. Null before the first. */
  readonly ackLatency: { readonly count: number, readonly p50Ms: number | null, readonly p99Ms: number | null }
  /** How often a connection was made to wait because it, or all together, sent faster than they may. */
  readonly slowed: number
  /** Handshakes at work, and connections that wait for their turn. */
  readonly handshakes: { readonly running: number, readonly waiting: number }
  /** Devices kept out as flapping; addresses kept out or slowed down after failures. */
  readonly banned: { readonly devices: number, readonly addresses: number }
  /** Security events since the start by kind; kinds that never happened are absent. */
  readonly securityEvents: Readonly<Record<string, number>>
  readonly draining: boolean
}

export interface StatsSources extends Pick<UplinkServices, 'counters' | 'budget' | 'paces'> {
  readonly fronts: ReadonlySet<Front>
  readonly refusals: Refusals
  readonly gate: Gate
  readonly guard: Guard
  readonly draining: boolean
}

const waits = stop.room | stop.budget | stop.write | stop.pace | stop.totalPace

/** Reads them all. */
export function statsOf ({ counters, budget, paces, fronts, refusals, gate, guard, draining }: StatsSources): BrokerStats {
  let paused = 0
  for (const front of fronts) if ((front.stops & waits) !== 0 && front.stage === 'connected') paused++
  const { ackLatency } = counters
  return {
    connections: fronts.size,
    sessions: counters.sessions,
    paused,
    received: counters.received,
    messagesRefused: refusals.messages,
    pubacksSent: counters.pubacksSent,
    inFlight: { messages: budget.messages, bytes: budget.bytes },
    refused: refusals.all(),
    ackLatency: { count: ackLatency.count, p50Ms: ackLatency.quantileMs(0.5), p99Ms: ackLatency.quantileMs(0.99) },
    slowed: paces.slowed,
    handshakes: { running: gate.handshakes, waiting: gate.waiting },
    banned: guard.banned(),
    securityEvents: guard.events.all(),
    draining
  }
}
