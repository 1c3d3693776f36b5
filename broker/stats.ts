// What the broker says of itself at any moment: for metrics, readiness and tests.

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
  readonly draining: boolean
}
