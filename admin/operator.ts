// Who administers: read from the client certificate, which the operators' own authority has issued (certs/operators.ts). A device's
// certificate is of another authority and never gets here; the role is in the certificate, so it ends with it and is revoked with it.
import { type X509Certificate } from 'node:crypto'
import { trimZeros } from '../runtime/crl.ts'
import { readOperatorUri, type OperatorRole } from '../runtime/operator-roles.ts'

export interface Operator {
  readonly name: string
  readonly role: OperatorRole
  /** Upper-case hex. */
  readonly serial: string
  readonly issuer: string
}

/** The operators' authority, as it was last read. */
export interface OperatorTrust {
  readonly issuers: readonly X509Certificate[]
  /** Serials that are revoked, upper-case hex without leading zeros. */
  readonly revoked: Pick<ReadonlySet<string>, 'has'>
}

/** The operator that a certificate which TLS has verified names, in one name of the form `urn:pulsegate:<role>:<name>`; null: none. */
export function operatorOf (certificate: X509Certificate | undefined): Operator | null {
  if (certificate === undefined) return null
  const names = certificate.subjectAltName ?? ''
  const found = names.startsWith('URI:') ? readOperatorUri(names.slice('URI:'.length)) : null
  return found && { ...found, serial: certificate.serialNumber, issuer: certificate.issuer.replaceAll('\n', ', ') }
}

/**
 * Whether the certificate is good now. TLS looked when the handshake began, at the lists of that moment, and Node never looks again at
 * an open connection.
 */
export function isGood (certificate: X509Certificate, { issuers, revoked }: OperatorTrust, nowMs: number): boolean {
  return nowMs < Date.parse(certificate.validTo) && nowMs >= Date.parse(certificate.validFrom) &&
    issuers.some((ca) => certificate.checkIssued(ca)) && !revoked.has(trimZeros(certificate.serialNumber))
}
