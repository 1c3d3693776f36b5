// Reads a certificate revocation list (RFC 5280, 5.1): whose it is, when it ends, which serials are on it. Its signature
// is OpenSSL's business at every full handshake; the serials are for what OpenSSL skips, resumed and open sessions.
import { derSequence, derTag, derTimeMs, derValues } from './der.ts'
import { trimZeros } from './identity.ts'

export interface Crl {
  /** The issuer's name, DER as hex. */
  readonly issuer: string
  readonly thisUpdateMs: number
  /** When the next list is due; null when the list does not say. */
  readonly nextUpdateMs: number | null
  /** Upper-case hex without leading zeros. */
  readonly serials: readonly string[]
}

/** Parses the DER of one CRL. Throws when it is none. */
export function parseCrl (der: Buffer): Crl {
  const [list] = derSequence(der)
  if (list?.tag !== derTag.sequence) throw new Error('not a CRL')
  const fields = derValues(list.content)
  if (fields[0]?.tag === derTag.integer) fields.shift() // version, absent in v1
  const [, issuer, thisUpdate, ...rest] = fields
  if (issuer === undefined || thisUpdate === undefined) throw new Error('not a CRL')
  const next = rest[0]
  const hasNext = next?.tag === derTag.utcTime || next?.tag === derTag.generalizedTime
  const revoked = rest[hasNext ? 1 : 0]
  return {
    issuer: issuer.raw.toString('hex'),
    thisUpdateMs: derTimeMs(thisUpdate),
    nextUpdateMs: hasNext ? derTimeMs(next) : null,
    serials: revoked?.tag === derTag.sequence ? derValues(revoked.content).map((entry) => serialOf(entry.raw)) : []
  }
}

function serialOf (entry: Buffer): string {
  const [serial] = derSequence(entry)
  if (serial?.tag !== derTag.integer) throw new Error('not a CRL entry')
  return trimZeros(serial.content.toString('hex'))
}

/** The subject's name of a certificate, DER as hex, to compare with `Crl.issuer`. */
export function subjectOf (certificateDer: Buffer): string {
  const [tbs] = derSequence(certificateDer)
  if (tbs === undefined) throw new Error('not a certificate')
  const fields = derValues(tbs.content)
  if (fields[0]?.tag === 0xa0) fields.shift() // version
  const subject = fields[4] // serial, signature, issuer, validity, subject
  if (subject === undefined) throw new Error('not a certificate')
  return subject.raw.toString('hex')
}
