// Reads a certificate revocation list (RFC 5280, 5.1): whose it is, when it ends, who signed it, which serials are on it. What it says of
// itself is read at once, the serials one by one: of a list with tens of thousands a caller takes some, lets others have a
// turn, and takes on.
import { verify, type KeyObject } from 'node:crypto'
import { derSequence, derTag, derTimeMs, derValue, derValues, type DerValue } from './der.ts'

export interface Crl {
  /** The issuer's name, DER as hex. */
  readonly issuer: string
  readonly thisUpdateMs: number
  /** When the next list is due; null when the list does not say. */
  readonly nextUpdateMs: number | null
  /** What is on it: upper-case hex without leading zeros. Throws when an entry is none. */
  serials (): Iterable<string>
  /** Whether it was signed with the key to this public key; null when its algorithm is none that we know. */
  signedBy (key: KeyObject): boolean | null
}

/** Parses the DER of one CRL. Throws when it is none. */
export function parseCrl (der: Buffer): Crl {
  const [tbs, algorithm, signature] = derSequence(der)
  if (tbs?.tag !== derTag.sequence || algorithm === undefined || signature === undefined) throw new Error('not a CRL')
  const fields = derValues(tbs.content)
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
    serials: () => revoked?.tag === derTag.sequence ? serialsIn(revoked.content) : [],
    signedBy: (key) => isSignedBy(key, tbs, algorithm, signature)
  }
}

function * serialsIn (entries: Buffer): Iterable<string> {
  for (let at = 0; at < entries.length;) {
    const entry = derValue(entries, at)
    if (entry.tag !== derTag.sequence) throw new Error('not a CRL entry')
    const serial = derValue(entry.content, 0)
    if (serial.tag !== derTag.integer) throw new Error('not a CRL entry')
    yield trimZeros(serial.content.toString('hex'))
    at += entry.raw.length
  }
}

/** OpenSSL prints serials with leading zeros in some versions and not in others. */
export function trimZeros (serial: string): string {
  return serial.replace(/^0+(?=.)/, '').toUpperCase()
}

/** AlgorithmIdentifier's OID, DER as hex → digest: ECDSA (RFC 5758) and RSA PKCS #1 v1.5 (RFC 4055). */
const digests: Readonly<Record<string, string>> = {
  '06082a8648ce3d040302': 'sha256',
  '06082a8648ce3d040303': 'sha384',
  '06082a8648ce3d040304': 'sha512',
  '06092a864886f70d01010b': 'sha256',
  '06092a864886f70d01010c': 'sha384',
  '06092a864886f70d01010d': 'sha512'
}

function isSignedBy (key: KeyObject, tbs: DerValue, algorithm: DerValue, signature: DerValue): boolean | null {
  const digest = digests[derValue(algorithm.content, 0).raw.toString('hex')]
  if (digest === undefined) return null
  try {
    return verify(digest, tbs.raw, key, signature.content.subarray(1)) // a BIT STRING's first byte counts unused bits: none
  } catch {
    return false // a key of another kind
  }
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
