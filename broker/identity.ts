// Who is at the other end, read synchronously from the certificate at `secureConnection` (later the peer may be gone and
// the certificate with it). OpenSSL has verified chain, times and CRL on a full handshake; a resumed one skips all of
// them, so what may have changed since, and what OpenSSL does not look at, is checked here each time.
import { type X509Certificate } from 'node:crypto'
import { trimZeros } from '../runtime/crl.ts'
import { isDeviceId } from '../schemas/device.ts'
import { type RefusalReason } from './refusals.ts'

export interface Identity {
  /** Device id, lower-case UUID text. */
  readonly id: string
  /** Of the certificate, upper-case hex without separators. */
  readonly serial: string
  /** Who issued it, on one line. */
  readonly issuer: string
  /** When the certificate begins, ms since 1970: of two of one device the one that begins later is the newer. */
  readonly notBeforeMs: number
  /** Which of our CAs issued it: the SHA-256 of that CA's certificate, hex with colons. */
  readonly issuedBy: string
  /** When the certificate ends, ms since 1970. Node never looks again at an open socket; the keeper does. */
  readonly expiresAtMs: number
}

/** What is known of our CAs: who may issue devices, and what has been revoked. */
export interface Trust {
  readonly issuers: readonly X509Certificate[]
  /** Serials that are revoked, upper-case hex without leading zeros. */
  readonly revoked: Pick<ReadonlySet<string>, 'has'>
}

export type Identified = { readonly ok: true, readonly identity: Identity } | { readonly ok: false, readonly reason: RefusalReason }

const clientAuth = '1.3.6.1.5.5.7.3.2'
const uuidUrn = 'URI:urn:uuid:'

/** The identity in a certificate that OpenSSL has verified at some time, or why it has none. */
export function identify (certificate: X509Certificate | undefined, trust: Trust, nowMs: number): Identified {
  if (certificate === undefined) return refuse('no-certificate')
  // an absent extended key usage passes OpenSSL (RFC 5280, 4.2.1.12: no restriction); here it must be there. Absent: undefined at run time
  const purposes = certificate.keyUsage as string[] | undefined
  if (purposes?.includes(clientAuth) !== true) return refuse('certificate-purpose')
  // a sibling CA below the same root passes OpenSSL: names and key identifiers must be those of an issuer of ours
  const issuer = trust.issuers.find((ca) => certificate.checkIssued(ca))
  if (issuer === undefined) return refuse('certificate-issuer')
  if (trust.revoked.has(trimZeros(certificate.serialNumber))) return refuse('certificate-revoked')
  const expiresAtMs = Date.parse(certificate.validTo)
  if (!(nowMs < expiresAtMs)) return refuse('certificate-expired') // NaN is expired too
  const notBeforeMs = Date.parse(certificate.validFrom)
  if (!(nowMs >= notBeforeMs)) return refuse('certificate-not-yet-valid')
  const id = deviceIdIn(certificate.subjectAltName)
  if (id === null) return refuse('certificate-identity')
  return { ok: true, identity: { id, serial: certificate.serialNumber, issuer: issuerOf(certificate), issuedBy: issuer.fingerprint256, notBeforeMs, expiresAtMs } }
}

function refuse (reason: RefusalReason): Identified {
  return { ok: false, reason }
}

/** The device id of a subjectAltName as Node prints it: exactly one URI, and it is `urn:uuid:` and a device id. */
export function deviceIdIn (names: string | undefined): string | null {
  // Node quotes a name that could be taken for several (CVE-2021-44532); no name of ours needs quoting
  if (names === undefined || names.includes('"')) return null
  const uris = names.split(', ').filter((name) => name.startsWith('URI:'))
  const [uri] = uris
  if (uris.length !== 1 || uri === undefined || !uri.startsWith(uuidUrn)) return null
  const id = uri.slice(uuidUrn.length)
  return isDeviceId(id) ? id : null
}

/** The issuer's name on one line. */
export function issuerOf ({ issuer }: X509Certificate): string {
  return issuer.trim().replaceAll('\n', ', ').slice(0, 200)
}
