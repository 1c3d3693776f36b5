// Makes a new authority's keys and files: root, issuing CA, journal. Takes the paths, leaves the directory behind.
// Promise: an authority that is there is never overwritten, not even by two of us at once (keys are linked into place,
// which fails when the name is taken); ca.pem comes last, so an authority with a ca.pem is whole.
import { chmod, mkdir, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { PulsegateError } from '../runtime/errors.ts'
import { type CaNames } from './ca-names.ts'
import { isMissing, keyPem, refuseOpenDirectory, syncDirectory, writeKey, writePublic, type AuthorityPaths } from './files.ts'
import { appendEntries, type Issued, type Role } from './journal.ts'
import { caExtensions, lifeDays, validity, type Validity } from './profile.ts'
import { createKeyPair, selfSigner, signCertificate, type KeyPair, type SignedCertificate } from './signing.ts'

/**
 * Creates everything but the revocation lists; the keys under the passphrase when one is given. Throws CERTS_AUTHORITY_EXISTS when any of
 * it is there already.
 */
export async function createAuthorityFiles (paths: AuthorityPaths, names: CaNames, nowMs: number, passphrase?: string): Promise<void> {
  await makeDirectories(paths)
  await refuseExisting(paths)
  const rootKeys = createKeyPair()
  const issuingKeys = createKeyPair()
  const rootLife = validity(nowMs, lifeDays.root)
  const issuingLife = validity(nowMs, lifeDays.issuing)
  const { root, issuing } = signBoth(names, { keys: rootKeys, life: rootLife }, { keys: issuingKeys, life: issuingLife })
  await writeNewKey(paths.issuingKey, issuingKeys, passphrase)
  await writeNewKey(paths.rootKey, rootKeys, passphrase)
  await writePublic(paths.rootCertificate, root.pem)
  await writePublic(paths.issuingCertificate, issuing.pem)
  await appendEntries(paths.journal, [
    issuedEntry(root.serial, 'root', [], rootLife, nowMs, root.serial), issuedEntry(issuing.serial, 'issuing', [], issuingLife, nowMs, root.serial)
  ])
  await writePublic(paths.ca, issuing.pem + root.pem)
  await syncDirectory(dirname(paths.rootKey))
  await syncDirectory(paths.directory)
}

interface Wanted { readonly keys: KeyPair, readonly life: Validity }

function signBoth (names: CaNames, ofRoot: Wanted, ofIssuing: Wanted): { root: SignedCertificate, issuing: SignedCertificate } {
  const signer = selfSigner(ofRoot.keys, names.root)
  const root = signCertificate({
    commonName: names.root, publicKey: ofRoot.keys.publicKey, ...ofRoot.life, extensions: caExtensions({})
  }, signer)
  const issuing = signCertificate({
    // path length 0: whoever steals the issuing key cannot make further CAs with it
    commonName: names.issuing, publicKey: ofIssuing.keys.publicKey, ...ofIssuing.life, extensions: caExtensions({ pathLength: 0 })
  }, signer)
  return { root, issuing }
}

/** The journal's entry for a certificate just signed; `issuer`: serial of the CA that signed it. */
export function issuedEntry (serial: string, role: Role, names: readonly string[], life: Validity, nowMs: number, issuer: string): Issued {
  const iso = (ms: number): string => new Date(ms).toISOString()
  return {
    event: 'issued', at: iso(nowMs), serial, role, names, notBefore: iso(life.notBeforeMs), notAfter: iso(life.notAfterMs), issuer
  }
}

async function makeDirectories (paths: AuthorityPaths): Promise<void> {
  const ours = [dirname(paths.rootKey), paths.directory, dirname(paths.rootCrl), dirname(paths.serverKey), paths.devices]
  for (const directory of ours) await mkdir(directory, { recursive: true, mode: 0o700 })
  await chmod(paths.directory, 0o700) // it may have been there, empty and open
  await refuseOpenDirectory(paths.directory) // another user's stays another user's
  await refuseOpenDirectory(dirname(paths.rootKey), 'unwritable')
}

async function refuseExisting (paths: AuthorityPaths): Promise<void> {
  const files = [paths.ca, paths.layout, paths.issuingKey, paths.issuingCertificate, paths.rootKey, paths.rootCertificate, paths.journal]
  for (const path of files) {
    const there = await stat(path).then(() => true, (error: unknown) => !isMissing(error))
    if (there) throw exists(path, path === paths.ca)
  }
}

async function writeNewKey (path: string, keys: KeyPair, passphrase: string | undefined): Promise<void> {
  try {
    await writeKey(path, keyPem(keys.privateKey, passphrase), { overwrite: false })
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') throw exists(path, true)
    throw error
  }
}

function exists (path: string, whole: boolean): PulsegateError {
  return new PulsegateError('CERTS_AUTHORITY_EXISTS', whole
    ? `There is a certificate authority already: ${path}. Nothing was overwritten.`
    : `${path} is there without a ca.pem: a part of an authority. Restore the rest, or move the directory away. Nothing was overwritten.`)
}
