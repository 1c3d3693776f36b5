// The CAs of an authority as they are now, ready to sign: takes the paths, gives certificates and signers. Promise: keys and certificates
// that do not belong together, or keys that others could have read, are not used.
import { X509Certificate } from 'node:crypto'
import { stat } from 'node:fs/promises'
import { PulsegateError } from '../runtime/errors.ts'
import { pemBlocks, pemBytes } from '../runtime/pem.ts'
import { isMissing, isThere, readKey, readRequired, type AuthorityPaths } from './files.ts'
import { issuingFiles, livingCas, readLayout, rootFiles, type CaEntry, type Layout } from './layout.ts'
import { signerOf, type Signer } from './signing.ts'

export interface CaCertificate {
  readonly number: number
  readonly serial: string
  readonly certificate: X509Certificate
  readonly pem: string
  readonly file: string
}

export interface SigningCa extends CaCertificate {
  /** Number of its root. */
  readonly root: number
  readonly signer: Signer
  /** What a leaf of this CA presents after itself: the CA, and the way from a root before to its own root where there is one. */
  readonly chainPem: string
}

export interface AuthorityState {
  readonly layout: Layout
  /** Whose certificates are trusted; the first one issues. */
  readonly cas: readonly [SigningCa, ...SigningCa[]]
  /**
   * Those that brokers trust, as ca.pem stands: these need lists. Other than `cas` only within a step, and after one that was cut off;
   * never empty.
   */
  readonly published: readonly SigningCa[]
  /** Changes when authority.json or ca.pem does. */
  readonly stamp: string
}

/** Rejects with CERTS_AUTHORITY_DAMAGED, CERTS_KEY_EXPOSED or CERTS_PASSPHRASE_UNUSABLE. */
export async function loadState (paths: AuthorityPaths, passphrase: string | undefined): Promise<AuthorityState> {
  const stamp = await stampOf(paths)
  const layout = await readLayout(paths)
  const cas: SigningCa[] = []
  for (const entry of livingCas(layout)) cas.push(await loadCa(paths, layout, entry, passphrase))
  // by their bytes: a file that went through an editor or another system has other line ends
  const bundle = pemBlocks(await readRequired(paths.ca), 'CERTIFICATE').map(pemBytes)
  const published = cas.filter(({ certificate }) => holds(bundle, certificate))
  for (const entry of layout.cas) if (await isLeaving(paths, layout, entry, bundle)) published.push(await loadCa(paths, layout, entry, passphrase))
  // none of ours in it: it says nothing of what brokers trust, and lists that are empty would let the revoked in
  return { layout, cas: cas as [SigningCa, ...SigningCa[]], published: published.length > 0 ? published : cas, stamp }
}

function holds (bundle: readonly Buffer[], { raw }: X509Certificate): boolean {
  return bundle.some((der) => der.equals(raw))
}

/** Dropped by authority.json and still in ca.pem; without its key it can have no list. */
async function isLeaving (paths: AuthorityPaths, layout: Layout, { number, state }: CaEntry, bundle: readonly Buffer[]): Promise<boolean> {
  if (state === 'issuing' || state === 'trusted') return false
  const { key, certificate } = issuingFiles(paths, layout, number)
  return await isThere(certificate) && holds(bundle, (await loadCertificate(certificate, number)).certificate) && await isThere(key)
}

/** What `AuthorityState.stamp` would be now: a cheap question before each use of a state. */
export async function stampOf (paths: AuthorityPaths): Promise<string> {
  const stamps = await Promise.all([paths.layout, paths.ca].map(async (file) => await stat(file).catch((error: unknown) => {
    if (isMissing(error)) return null
    throw error
  })))
  return stamps.map((stamp) => stamp === null ? '' : `${stamp.ino} ${stamp.mtimeMs} ${stamp.size}`).join(' / ')
}

export async function loadCa (paths: AuthorityPaths, layout: Pick<Layout, 'layout'>, { number, root }: CaEntry, passphrase: string | undefined): Promise<SigningCa> {
  const files = issuingFiles(paths, layout, number)
  const ca = await loadCertificate(files.certificate, number)
  const signedBy = await loadRoot(paths, layout, root)
  const key = await readKey(files.key, passphrase).catch((error: unknown) => {
    if (isMissing(error)) throw new PulsegateError('CERTS_AUTHORITY_DAMAGED', `${files.key} is missing.`)
    throw error
  })
  if (!ca.certificate.checkPrivateKey(key)) throw mismatch(files.key, files.certificate)
  if (!ca.certificate.verify(signedBy.certificate.publicKey)) throw mismatch(files.certificate, signedBy.file)
  const { cross } = rootFiles(paths, layout, root)
  return { ...ca, root, signer: signerOf(key, ca.certificate.raw), chainPem: ca.pem + (cross === null ? '' : await readRequired(cross)) }
}

export async function loadRoot (paths: AuthorityPaths, layout: Pick<Layout, 'layout'>, number: number): Promise<CaCertificate> {
  return await loadCertificate(rootFiles(paths, layout, number).certificate, number)
}

/** The roots of these CAs, each once. */
export async function loadRoots (paths: AuthorityPaths, layout: Pick<Layout, 'layout'>, cas: ReadonlyArray<{ readonly root: number }>): Promise<CaCertificate[]> {
  return await Promise.all([...new Set(cas.map(({ root }) => root))].map((number) => loadRoot(paths, layout, number)))
}

/**
 * `required`: CERTS_ROOT_KEY_ABSENT when one is not here. `when-there`: its signer is null then, and also when its key cannot be used;
 * what is the root's to sign waits, what is not must not wait for it.
 */
export type RootNeed = 'required' | 'when-there'

export interface RootSigner {
  readonly root: CaCertificate
  readonly signer: Signer | null
  /** What is wrong with the key that is there. */
  readonly why?: string
}

/** The signers of these CAs' roots. */
export async function rootSigners (paths: AuthorityPaths, layout: Pick<Layout, 'layout'>, cas: ReadonlyArray<Pick<SigningCa, 'root'>>, passphrase: string | undefined, need: RootNeed): Promise<RootSigner[]> {
  const signers: RootSigner[] = []
  for (const root of await loadRoots(paths, layout, cas)) {
    const found = await rootSigner(paths, layout, root, passphrase).then((signer): RootSigner => ({ root, signer }), (error: unknown): RootSigner => {
      if (need === 'when-there' && error instanceof PulsegateError && unusable.has(error.code)) return { root, signer: null, why: error.message }
      throw error
    })
    if (found.signer === null && need === 'required') throw rootKeyAbsent(rootFiles(paths, layout, root.number).key)
    signers.push(found)
  }
  return signers
}

const unusable: ReadonlySet<string> = new Set(['CERTS_PASSPHRASE_UNUSABLE', 'CERTS_AUTHORITY_DAMAGED'])

export function rootKeyAbsent (file: string): PulsegateError {
  return new PulsegateError('CERTS_ROOT_KEY_ABSENT', `The root key is not at ${file}, and this can only be signed with it.`)
}

/** Null when its key is not here: it may be kept elsewhere. */
export async function rootSigner (paths: AuthorityPaths, layout: Pick<Layout, 'layout'>, root: CaCertificate, passphrase: string | undefined): Promise<Signer | null> {
  const { key: file, certificate } = rootFiles(paths, layout, root.number)
  if (!await isThere(file)) return null
  const key = await readKey(file, passphrase)
  if (!root.certificate.checkPrivateKey(key)) throw mismatch(file, certificate)
  return signerOf(key, root.certificate.raw)
}

async function loadCertificate (file: string, number: number): Promise<CaCertificate> {
  const pem = await readRequired(file)
  try {
    const certificate = new X509Certificate(pem)
    return { number, serial: certificate.serialNumber, certificate, pem, file }
  } catch (error) {
    throw new PulsegateError('CERTS_AUTHORITY_DAMAGED', `${file} is not a certificate in PEM.`, { cause: error })
  }
}

function mismatch (path: string, other: string): PulsegateError {
  return new PulsegateError('CERTS_AUTHORITY_DAMAGED', `${path} does not belong to ${other}.`)
}
