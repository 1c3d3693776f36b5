// Signing leaf certificates under one CA: takes who it is for and a public key, gives the certificate and what the journal is to say.
// Whoever calls holds the authority's lock, and hands nothing out before the journal has it.
import { type KeyObject } from 'node:crypto'
import { dirname } from 'node:path'
import { PulsegateError } from '../runtime/errors.ts'
import { isMissing, keyPem, readKeyText, syncDirectory, writeKey, writePublic, type AuthorityPaths } from './files.ts'
import { isEncryptedKey } from './encrypted-key.ts'
import { issuedEntry } from './init.ts'
import { appendEntries, type Issued, type Role } from './journal.ts'
import { checkDays, deviceExtensions, lifeDays, serverExtensions, validity } from './profile.ts'
import { createKeyPair, signCertificate, type Extension } from './signing.ts'
import { type SigningCa } from './state.ts'

export interface IssuedCertificate {
  readonly serial: string
  readonly certPem: string
  /** The certificate, then the issuing CA's: what a TLS peer presents. */
  readonly chainPem: string
  readonly notAfterMs: number
}

export interface IssuedServer extends IssuedCertificate { readonly keyFile: string, readonly certFile: string }

export interface LeafRequest {
  readonly role: Role
  readonly commonName: string
  readonly names: readonly string[]
  readonly publicKey: KeyObject
  readonly extensions: readonly Extension[]
  readonly days: number
  /** For the journal: see Issued. */
  readonly maker?: string | undefined
}

export function deviceRequest (id: string, publicKey: KeyObject, days: number): LeafRequest {
  return { role: 'device', commonName: id, names: [id], publicKey, extensions: deviceExtensions(id), days }
}

/** Throws CERTS_AUTHORITY_EXPIRED when the CA is not valid now. */
export function signLeaf (ca: SigningCa, request: LeafRequest, nowMs = Date.now()): { issued: IssuedCertificate, entry: Issued } {
  const { role, commonName, names, publicKey, extensions, days, maker } = request
  const { certificate, file } = ca
  const untilMs = Date.parse(certificate.validTo)
  if (nowMs > untilMs || nowMs < Date.parse(certificate.validFrom)) {
    throw new PulsegateError('CERTS_AUTHORITY_EXPIRED', `${file} is valid from ${certificate.validFrom} to ${certificate.validTo}, which is not now.`)
  }
  const life = validity(nowMs, days, untilMs)
  const { serial, pem } = signCertificate({ commonName, publicKey, ...life, extensions }, ca.signer)
  return {
    issued: { serial, certPem: pem, chainPem: pem + ca.chainPem, notAfterMs: life.notAfterMs },
    entry: { ...issuedEntry(serial, role, names, life, nowMs, ca.serial), ...(maker !== undefined && { maker }) }
  }
}

export interface ServerOptions {
  readonly days?: number | undefined
  /** Encrypts the key. */
  readonly passphrase?: string | undefined
}

/** False when there is none. */
export async function hasEncryptedServerKey (paths: AuthorityPaths): Promise<boolean> {
  try {
    return isEncryptedKey(await readKeyText(paths.serverKey))
  } catch (error) {
    if (isMissing(error)) return false
    throw error
  }
}

/** Key and certificate for the broker, written to server/. A reader sees both old, both new, or for a moment a pair that does not fit. */
export async function issueServerFiles (paths: AuthorityPaths, ca: SigningCa, names: readonly string[], options: ServerOptions): Promise<IssuedServer> {
  const commonName = names[0]
  if (commonName === undefined) throw new PulsegateError('CERTS_INPUT_INVALID', 'A server certificate needs at least one name.')
  const keys = createKeyPair()
  const { issued, entry } = signLeaf(ca, {
    role: 'server',
    commonName: commonName.slice(0, 64), // X.520 bounds a common name at 64 characters; nobody reads it, the names are in the SAN
    names: names.map((name) => name.toLowerCase()),
    publicKey: keys.publicKey,
    extensions: serverExtensions(names),
    days: checkDays(options.days ?? lifeDays.server)
  })
  await appendEntries(paths.journal, [entry])
  await writeKey(paths.serverKey, keyPem(keys.privateKey, options.passphrase), { overwrite: true })
  await writePublic(paths.serverCertificate, issued.chainPem)
  await syncDirectory(dirname(paths.serverKey))
  return { ...issued, keyFile: paths.serverKey, certFile: paths.serverCertificate }
}
