// What the certificates in the authority's folder say of their keys: too weak, signed with a broken digest, one key for several devices.
// Public files only.
import { createHash, X509Certificate } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { authorityPaths } from '../certs/files.ts'
import { type Finding } from './doctor-finding.ts'
import { type SecurityCheck } from './doctor-security.ts'
import { findingOf } from './doctor-security-finding.ts'

interface Found { readonly path: string, readonly certificate: X509Certificate }

export const checkKeys: SecurityCheck = async ({ certificates }) => {
  const paths = authorityPaths(certificates)
  const devices = (await readdir(paths.devices).catch((): string[] => [])).filter((name) => name.endsWith('.crt')).map((name) => join(paths.devices, name))
  const found: Found[] = []
  for (const path of [paths.rootCertificate, paths.issuingCertificate, paths.serverCertificate, ...devices]) {
    const pem = await readFile(path, 'utf8').catch(() => null)
    if (pem !== null) found.push({ path, certificate: new X509Certificate(pem) })
  }
  return keyFindings(found, new Set(devices))
}

function keyFindings (found: readonly Found[], devices: ReadonlySet<string>): Finding[] {
  return [
    findingOf('weak keys', found.flatMap(({ path, certificate }) => { const fault = weakness(certificate); return fault === null ? [] : [`${path}: ${fault}`] }),
      { fine: 'none in the authority\'s folder', todo: 'make a new key (P-256) and a new certificate, then revoke this one' }),
    findingOf('key shared by devices', sharedKeys(found.filter(({ path }) => devices.has(path))),
      { fine: 'each device has its own', todo: 'revoke all of them; each device needs a key of its own, made on it' })
  ]
}

/** What makes a certificate's key or signature weak; null when nothing does. */
export function weakness ({ publicKey, raw }: X509Certificate): string | null {
  const { modulusLength = 0, namedCurve = '' } = publicKey.asymmetricKeyDetails ?? {}
  const kind = publicKey.asymmetricKeyType
  if ((kind === 'rsa' || kind === 'rsa-pss') && modulusLength < 2_048) return `RSA of ${modulusLength} bits`
  if (kind === 'ec' && !['prime256v1', 'secp384r1', 'secp521r1'].includes(namedCurve)) return `an elliptic curve that is not of NIST's: ${namedCurve}`
  if (!['rsa', 'rsa-pss', 'ec', 'ed25519', 'ed448'].includes(kind ?? '')) return `a key of kind ${kind}`
  return brokenDigests.some((oid) => raw.includes(oid)) ? 'signed with SHA-1 or MD5' : null
}

/** Object identifiers in DER: ecdsa-with-SHA1, sha1WithRSAEncryption, md5WithRSAEncryption. Node 20 does not name a certificate's signature. */
const brokenDigests = ['06072a8648ce3d0401', '06092a864886f70d010105', '06092a864886f70d010104'].map((hex) => Buffer.from(hex, 'hex'))

function sharedKeys (found: readonly Found[]): string[] {
  const owners = new Map<string, Set<string>>()
  for (const { certificate } of found) {
    const key = createHash('sha256').update(certificate.publicKey.export({ type: 'spki', format: 'der' })).digest('hex')
    owners.set(key, (owners.get(key) ?? new Set()).add(certificate.subjectAltName ?? certificate.subject))
  }
  return [...owners.values()].filter((names) => names.size > 1).map((names) => [...names].slice(0, 4).join(' and '))
}
