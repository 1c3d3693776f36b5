// Who is at the other end of a TLS session, looked at anew for every request. The server takes connections without a certificate (first
// enrolment with a token has none), so OpenSSL refuses nobody: this is the gate. `authorized` alone is no proof of anything: of a
// session that was resumed without any certificate Node says `authorized: true` (nodejs/node#35317). So sessions are never resumed, one
// that is all the same counts as nobody, and a certificate must be there and have been issued by whom we name. Pure.
import { type X509Certificate } from 'node:crypto'
import { deviceIdIn } from './device-id-in.ts'
import { birthOf, type Maker } from './makers.ts'

export interface PeerFacts {
  readonly certificate: X509Certificate | undefined
  /** OpenSSL's verdict, and its reason when it is no. */
  readonly authorized: boolean
  readonly authorizationError: string | undefined
  readonly resumed: boolean
}

export interface PeerTrust {
  /** CAs of ours that issue devices: the intermediates of the bundle. */
  readonly issuers: readonly X509Certificate[]
  readonly makers: readonly Maker[]
}

export type Peer =
  | { readonly kind: 'none' }
  /** A certificate of ours; whether it is revoked by now the journal knows. */
  | { readonly kind: 'device', readonly id: string, readonly certificate: X509Certificate }
  | { readonly kind: 'birth', readonly id: string, readonly certificate: X509Certificate, readonly maker: Maker }
  /** `id`: the device that one of our own authority's names, whose key the other end has; it is not good for anything else here. */
  | { readonly kind: 'bad', readonly fault: string, readonly certificate?: X509Certificate, readonly id?: string }

/** Who the other end has proven to be, whatever that entitles to; null: nobody. */
export function provenIdOf (peer: Peer): string | null {
  return 'id' in peer ? peer.id ?? null : null
}

const clientAuth = '1.3.6.1.5.5.7.3.2'

export function peerOf (facts: PeerFacts, trust: PeerTrust, nowMs: number): Peer {
  const { certificate } = facts
  if (facts.resumed) return { kind: 'bad', fault: 'resumed session' }
  if (certificate === undefined) return { kind: 'none' }
  const bad = (fault: string): Peer => ({ kind: 'bad', fault, certificate })
  if (trust.issuers.some((issuer) => certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey))) {
    return deviceOf(certificate, facts, nowMs)
  }
  const birth = birthOf(certificate, trust.makers, nowMs)
  if (birth === null) return bad('from no authority or maker that is known here')
  return 'fault' in birth ? bad(birth.fault) : { kind: 'birth', certificate, ...birth }
}

function deviceOf (certificate: X509Certificate, { authorized, authorizationError }: PeerFacts, nowMs: number): Peer {
  const id = deviceIdIn(certificate.subjectAltName)
  const bad = (fault: string): Peer => ({ kind: 'bad', fault, certificate, ...(id !== null && { id }) })
  if (!authorized) return bad(authorizationError ?? 'not authorized')
  if (!(nowMs < Date.parse(certificate.validTo))) return bad('past its end') // a connection may outlive its certificate
  if (!(nowMs >= Date.parse(certificate.validFrom))) return bad('not valid yet')
  const uses = certificate.keyUsage as string[] | undefined
  if (uses?.includes(clientAuth) !== true) return bad('not for client authentication')
  return id === null ? bad('without exactly one urn:uuid name') : { kind: 'device', id, certificate }
}
