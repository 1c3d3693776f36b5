// What a certificate file says, for people and for renewal: takes PEM, gives its fields. Trusts nothing, checks nothing.
import { X509Certificate } from 'node:crypto'
import { PulsegateError } from '../runtime/errors.ts'
import { pemBlocks } from '../runtime/pem.ts'

export interface CertificateDescription {
  readonly serial: string
  readonly subject: string
  readonly issuer: string
  readonly alternativeNames: string
  readonly notBefore: string
  readonly notAfter: string
  /** Extended key usages: clientAuth, serverAuth, or the OID. */
  readonly uses: readonly string[]
  readonly authority: boolean
  /** SHA-256 of the DER, hex with colons. */
  readonly fingerprint: string
}

/** Describes every certificate of a PEM text, in its order. Throws CERTS_INPUT_INVALID naming `path` when there is none. */
export function describeCertificates (path: string, pem: string): CertificateDescription[] {
  const blocks = pemBlocks(pem, 'CERTIFICATE')
  if (blocks.length === 0) throw new PulsegateError('CERTS_INPUT_INVALID', `${path} holds no certificate in PEM.`)
  return blocks.map((block) => {
    try {
      return describe(new X509Certificate(block))
    } catch (error) {
      throw new PulsegateError('CERTS_INPUT_INVALID', `${path} holds a damaged certificate.`, { cause: error })
    }
  })
}

function describe (certificate: X509Certificate): CertificateDescription {
  return {
    serial: certificate.serialNumber,
    subject: certificate.subject,
    issuer: certificate.issuer,
    alternativeNames: certificate.subjectAltName ?? '',
    notBefore: new Date(certificate.validFrom).toISOString(),
    notAfter: new Date(certificate.validTo).toISOString(),
    // for a certificate without the extension Node gives undefined, whatever its types say
    uses: (certificate.keyUsage as string[] | undefined ?? []).map((oid) => useNames[oid] ?? oid),
    authority: certificate.ca,
    fingerprint: certificate.fingerprint256
  }
}

const useNames: Readonly<Record<string, string>> = { '1.3.6.1.5.5.7.3.1': 'serverAuth', '1.3.6.1.5.5.7.3.2': 'clientAuth' }

/** When a certificate should be renewed, ms since 1970: after two thirds of its life, which leaves time for failures. */
export function renewalDueMs (certPem: string): number {
  const { validFrom, validTo } = new X509Certificate(certPem)
  const [fromMs, toMs] = [Date.parse(validFrom), Date.parse(validTo)]
  return fromMs + (toMs - fromMs) * 2 / 3
}
