// What several brokers tell each other: which session began where and with which certificate, and which are revoked. The broker speaks and
// listens through this; queue/redis/bus.ts carries it between processes. Without it a broker is alone, which is a set-up too.
//
// Promise: telling never blocks and never throws. What was told may be lost while the way between the brokers is cut; when it is
// open again everything is told once more, pulled from the listener piece by piece, so nothing is kept for that meanwhile. Each side
// tells when its own way opens, so of two brokers that were cut off the one that is back first may miss what the other has
// to say of its sessions, or the other way round, but never both; revocations are not missed by either. Certificates in use are told once.

/** A live session. Of two sessions of one device the newer stays: greater `sinceMs`, then greater broker id. */
export interface SessionMark {
  /** Device id, lower-case UUID text. */
  readonly id: string
  /** When it began, ms since 1970 by the clock that brokers keep together (broker/order.ts). */
  readonly sinceMs: number
}

/** A session has begun with this certificate: what a copy of it is known by. */
export interface CertificateUse {
  /** Device id, lower-case UUID text. */
  readonly id: string
  /** Upper-case hex. */
  readonly serial: string
  /** ms since 1970, both. */
  readonly notBeforeMs: number
  readonly expiresAtMs: number
  /** IP address it came from, without a port. */
  readonly address: string
}

export interface PeerListener {
  /** Sessions that began, or live, at another broker. */
  begun (sessions: readonly SessionMark[], brokerId: string): void
  /** Certificates used at another broker just now. */
  used (uses: readonly CertificateUse[]): void
  /** Serials that are revoked (upper-case hex without leading zeros); the same one may come again. */
  revoked (serials: readonly string[]): void
  /** All sessions that live here now, for telling everything again. Read slowly, while sessions come and go. */
  sessions (): Iterable<SessionMark>
  /** All serials on the revocation lists read here. */
  revocations (): Iterable<string>
}

export interface Peers {
  /** Of this broker: unique among all that were ever started. */
  readonly brokerId: string
  begun (session: SessionMark): void
  used (use: CertificateUse): void
  revoked (serials: readonly string[]): void
  /** One listener at a time; the returned function ends it. */
  listen (listener: PeerListener): () => void
}

/** Most revoked serials that brokers share and keep besides their own lists: about 10 MB in each. */
export const maxSharedRevocations = 100_000
