// Whom we believe that a device was made by them: the CA certificates in `<authority>/makers/*.pem`, put there by the operator. Takes a
// birth certificate (IEEE 802.1AR calls it IDevID), gives the device it names, or why it does not count. OpenSSL's verdict is of no use
// here (it asks for a revocation list of every CA, and makers publish none we could load), so all of it is checked by hand.
import { createHash, X509Certificate } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { AsnConvert } from '@peculiar/asn1-schema'
import { Certificate } from '@peculiar/asn1-x509'
import { PulsegateError } from '../../runtime/errors.ts'
import { pemBlocks } from '../../runtime/pem.ts'
import { isMissing } from '../files.ts'
import { deviceIdIn } from './device-id-in.ts'

export interface Maker {
  /** The CA that signs birth certificates itself: an intermediate, where the maker has one. */
  readonly certificate: X509Certificate
  /** SHA-256 of its public key, hex: stays the same when the maker renews the CA's certificate. */
  readonly fingerprint: string
}

export type Birth = { readonly id: string, readonly maker: Maker } | { readonly fault: string }

const clientAuth = '1.3.6.1.5.5.7.3.2'
/** ECDSA and RSA (PKCS #1) with SHA-2, RSASSA-PSS, Ed25519; never SHA-1 or MD5. */
const signatureAlgorithms = new Set([
  '1.2.840.10045.4.3.2', '1.2.840.10045.4.3.3', '1.2.840.10045.4.3.4',
  '1.2.840.113549.1.1.11', '1.2.840.113549.1.1.12', '1.2.840.113549.1.1.13', '1.2.840.113549.1.1.10', '1.3.101.112'
])

export function makersDirectory (authorityDirectory: string): string {
  return join(authorityDirectory, 'makers')
}

/** Every CA in the folder; none when there is no folder. Throws CERTS_INPUT_INVALID naming a file that is not a CA certificate. */
export async function readMakers (authorityDirectory: string): Promise<Maker[]> {
  const directory = makersDirectory(authorityDirectory)
  const files = await readdir(directory).catch((error: unknown) => {
    if (isMissing(error)) return []
    throw error
  })
  const makers: Maker[] = []
  for (const file of files.filter((name) => name.endsWith('.pem')).sort()) makers.push(...makersIn(join(directory, file), await readFile(join(directory, file), 'utf8')))
  return makers
}

function makersIn (path: string, pem: string): Maker[] {
  const blocks = pemBlocks(pem, 'CERTIFICATE')
  if (blocks.length === 0) throw new PulsegateError('CERTS_INPUT_INVALID', `${path} holds no certificate in PEM.`)
  return blocks.map((block) => {
    const certificate = parse(path, block)
    if (!certificate.ca) throw new PulsegateError('CERTS_INPUT_INVALID', `${path} holds a certificate that is not a CA's: only a maker's CA belongs there.`)
    return { certificate, fingerprint: createHash('sha256').update(certificate.publicKey.export({ type: 'spki', format: 'der' })).digest('hex') }
  })
}

function parse (path: string, pem: string): X509Certificate {
  try {
    return new X509Certificate(pem)
  } catch (error) {
    throw new PulsegateError('CERTS_INPUT_INVALID', `${path} holds a damaged certificate.`, { cause: error })
  }
}

/** Null: none of these makers has issued it. */
export function birthOf (certificate: X509Certificate, makers: readonly Maker[], nowMs: number): Birth | null {
  const maker = makers.find(({ certificate: ca }) => certificate.checkIssued(ca) && certificate.verify(ca.publicKey))
  if (maker === undefined) return null
  if (!isLiving(maker.certificate, nowMs)) return { fault: 'the maker\'s CA certificate is past its end or not valid yet' }
  if (!isLiving(certificate, nowMs)) return { fault: 'birth certificate past its end or not valid yet' }
  if (certificate.ca) return { fault: 'a CA\'s certificate is no birth certificate' }
  // many makers leave it out; where it is there, it must allow what is done with it here
  const uses = certificate.keyUsage as string[] | undefined
  if (uses !== undefined && !uses.includes(clientAuth)) return { fault: 'birth certificate not for client authentication' }
  if (!signatureAlgorithms.has(AsnConvert.parse(certificate.raw, Certificate).signatureAlgorithm.algorithm)) return { fault: 'birth certificate signed with a weak or unknown algorithm' }
  if (!isStrong(certificate)) return { fault: 'birth certificate with a weak key' }
  const id = deviceIdIn(certificate.subjectAltName)
  return id === null ? { fault: 'birth certificate without exactly one urn:uuid name' } : { id, maker }
}

function isLiving ({ validFrom, validTo }: X509Certificate, nowMs: number): boolean {
  return nowMs >= Date.parse(validFrom) && nowMs < Date.parse(validTo)
}

function isStrong ({ publicKey }: X509Certificate): boolean {
  const { asymmetricKeyType: type, asymmetricKeyDetails: details } = publicKey
  if (type === 'rsa' || type === 'rsa-pss') return (details?.modulusLength ?? 0) >= 2_048
  if (type === 'ec') return ['prime256v1', 'secp384r1', 'secp521r1'].includes(details?.namedCurve ?? '')
  return type === 'ed25519'
}
