// Revocation lists: takes serials with reasons and a signer, gives a CRL as Node and OpenSSL want it.
// The library's own generator needs 34 s for 20,000 entries; put together from its parts they take well under 1 s. The
// label is `X509 CRL` (RFC 7468; Node takes no other). The issuing distribution point says whose certificates the list
// covers, which other brokers (EMQX) demand; it names no address, because we hand the list over as a file.
import * as asn1 from '@peculiar/asn1-x509'
import { explicit, integer, sequence, time } from './der.ts'
import { type RevocationReason } from './journal.ts'
import { authorityKeyIdentifier, ecdsaSha256, extension, signStructure, type Extension, type Signer } from './signing.ts'

export interface RevokedSerial {
  readonly serial: string
  readonly at: Date
  readonly reason: RevocationReason
}

export interface CrlFields {
  readonly entries: readonly RevokedSerial[]
  readonly thisUpdate: Date
  readonly nextUpdate: Date
  /** `ca`: the root's list, of CA certificates; `user`: the issuing CA's, of devices and servers. */
  readonly covers: 'ca' | 'user'
}

export function signCrl (fields: CrlFields, signer: Signer): string {
  // RFC 5280, 5.1.2.6: when nothing is revoked the list must be absent, not empty
  const revoked = fields.entries.length === 0 ? [] : [sequence(...fields.entries.map(revokedCertificate))]
  const toBeSigned = sequence(
    integer(Buffer.of(1)), // version 2 is written 1
    ecdsaSha256,
    signer.name,
    time(fields.thisUpdate),
    time(fields.nextUpdate),
    ...revoked,
    explicit(0, sequence(...listExtensions(fields, signer)))
  )
  return signStructure('X509 CRL', toBeSigned, signer)
}

function listExtensions (fields: CrlFields, signer: Signer): Extension[] {
  const onlyContains = fields.covers === 'ca' ? { onlyContainsCACerts: true } : { onlyContainsUserCerts: true }
  return [
    authorityKeyIdentifier(signer),
    // grows with every list; ms of time need no counter to be kept safe
    extension(asn1.id_ce_cRLNumber, new asn1.CRLNumber(fields.thisUpdate.getTime())),
    extension(asn1.id_ce_issuingDistributionPoint, new asn1.IssuingDistributionPoint(onlyContains), { critical: true })
  ]
}

function revokedCertificate (entry: RevokedSerial): Buffer {
  const parts = [integer(Buffer.from(entry.serial, 'hex')), time(entry.at)]
  // RFC 5280, 5.3.1: "unspecified" is said by saying nothing
  return entry.reason === 'unspecified' ? sequence(...parts) : sequence(...parts, sequence(reasonExtensions[entry.reason]))
}

const reasonExtension = (reason: asn1.CRLReasons): Extension => extension(asn1.id_ce_cRLReasons, new asn1.CRLReason(reason))

const reasonExtensions: Record<Exclude<RevocationReason, 'unspecified'>, Extension> = {
  keyCompromise: reasonExtension(asn1.CRLReasons.keyCompromise),
  cACompromise: reasonExtension(asn1.CRLReasons.cACompromise),
  affiliationChanged: reasonExtension(asn1.CRLReasons.affiliationChanged),
  superseded: reasonExtension(asn1.CRLReasons.superseded),
  cessationOfOperation: reasonExtension(asn1.CRLReasons.cessationOfOperation),
  privilegeWithdrawn: reasonExtension(asn1.CRLReasons.privilegeWithdrawn)
}
