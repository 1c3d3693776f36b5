// Who administers: read from the client certificate, which the operators' own authority has issued (certs/operators.ts). A device's
// certificate is of another authority and never gets here; the role is in the certificate, so it ends with it and is revoked with it.
import { type X509Certificate } from 'node:crypto'
import { readOperatorUri, type OperatorRole } from '../runtime/operator-roles.ts'

export interface Operator {
  readonly name: string
  readonly role: OperatorRole
  /** Upper-case hex. */
  readonly serial: string
  readonly issuer: string
}

/**
 * The operator in a certificate that TLS has verified, or null: exactly one name, of the form `urn:pulsegate:<role>:<name>`, and valid
 * now (an open connection is not looked at again by Node).
 */
export function operatorOf (certificate: X509Certificate | undefined, nowMs: number): Operator | null {
  if (certificate === undefined) return null
  const names = certificate.subjectAltName ?? ''
  const found = names.startsWith('URI:') ? readOperatorUri(names.slice('URI:'.length)) : null
  if (found === null) return null
  if (!(nowMs < Date.parse(certificate.validTo)) || !(nowMs >= Date.parse(certificate.validFrom))) return null
  return { ...found, serial: certificate.serialNumber, issuer: certificate.issuer.replaceAll('\n', ', ') }
}
