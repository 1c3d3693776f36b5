// Makes a further issuing CA, under the root there is or a new one. A new root is signed by the old one too (cross certificate), so that
// whoever trusts only the old one still finds the way to what the new one has signed.
import { readFile, unlink } from 'node:fs/promises'
import { PulsegateError } from '../runtime/errors.ts'
import { furtherName } from './ca-names.ts'
import { isMissing, isThere, keyPem, readKeyText, writeKey, writePublic, type AuthorityPaths } from './files.ts'
import { issuedEntry } from './init.ts'
import { appendEntries } from './journal.ts'
import { issuingFiles, rolledBackRoots, rootFiles, type CaEntry, type CaFiles, type Layout } from './layout.ts'
import { caExtensions, lifeDays, validity } from './profile.ts'
import { createKeyPair, selfSigner, signCertificate, signerOf, type Signer } from './signing.ts'
import { loadRoot, rootKeyAbsent, rootSigner, type CaCertificate, type SigningCa } from './state.ts'

export interface RootWish {
  /** Make a new root too; its key goes where the root keys are. */
  readonly newRoot: boolean
}

const layout2 = { layout: 2 } as const

/**
 * Has the CAs' files named as layout 2 has them. Copies first, over whatever an earlier try left under their names; the issuing key
 * under its old name goes last, so that whoever cannot read layout 2 finds no key to issue with from the wrong CA.
 */
export async function moveToLayout2 (paths: AuthorityPaths, { layout }: Layout): Promise<void> {
  if (layout === 2) return
  const issuing = issuingFiles(paths, layout2, 1)
  await writePublic(issuing.certificate, await readFile(paths.issuingCertificate, 'utf8'))
  await writePublic(rootFiles(paths, layout2, 1).certificate, await readFile(paths.rootCertificate, 'utf8'))
  await writeKey(issuing.key, await readKeyText(paths.issuingKey), { overwrite: true })
}

export interface NewCa {
  readonly layout: Layout
  /** The CA that issues now; its root signs. */
  readonly signedBy: SigningCa
  readonly wish: RootWish
  readonly passphrase: string | undefined
}

/** Writes keys and certificates and notes them in the journal. Rejects with CERTS_ROOT_KEY_ABSENT before anything is written. */
export async function makeCa (paths: AuthorityPaths, { layout, signedBy, wish, passphrase }: NewCa): Promise<CaEntry> {
  const root = await loadRoot(paths, layout, signedBy.root)
  const signer = await rootSigner(paths, layout, root, passphrase)
  if (signer === null) throw rootKeyAbsent(rootFiles(paths, layout, root.number).key)
  const number = await freeNumber(paths, layout.cas)
  const top = wish.newRoot ? await makeRoot(paths, { number, old: root, oldSigner: signer, passphrase }) : { number: root.number, serial: root.serial, signer, notAfterMs: Date.parse(root.certificate.validTo) }
  const keys = createKeyPair()
  const nowMs = Date.now()
  const life = validity(nowMs, lifeDays.issuing, top.notAfterMs)
  // another name than the others': TLS libraries look lists up by it
  const { serial, pem } = signCertificate({ commonName: furtherName(signedBy.certificate, number), publicKey: keys.publicKey, ...life, extensions: caExtensions({ pathLength: 0 }) }, top.signer)
  const files = issuingFiles(paths, layout2, number)
  await writePair(files, keyPem(keys.privateKey, passphrase), pem)
  await appendEntries(paths.journal, [issuedEntry(serial, 'issuing', [], life, nowMs, top.serial)])
  return { number, state: 'trusted', root: top.number }
}

interface NewRoot { readonly number: number, readonly old: CaCertificate, readonly oldSigner: Signer, readonly passphrase: string | undefined }

async function makeRoot (paths: AuthorityPaths, { number, old, oldSigner, passphrase }: NewRoot): Promise<{ number: number, serial: string, signer: Signer, notAfterMs: number }> {
  const keys = createKeyPair()
  const commonName = furtherName(old.certificate, number)
  const nowMs = Date.now()
  const life = validity(nowMs, lifeDays.root)
  const crossLife = validity(nowMs, lifeDays.root, Date.parse(old.certificate.validTo))
  const extensions = caExtensions({})
  const own = signCertificate({ commonName, publicKey: keys.publicKey, ...life, extensions }, selfSigner(keys, commonName))
  const cross = signCertificate({ commonName, publicKey: keys.publicKey, ...crossLife, extensions }, oldSigner)
  const files = rootFiles(paths, layout2, number)
  await writePublic(files.cross as string, cross.pem)
  await writePair(files, keyPem(keys.privateKey, passphrase), own.pem)
  await appendEntries(paths.journal, [
    issuedEntry(own.serial, 'root', [], life, nowMs, own.serial), issuedEntry(cross.serial, 'issuing', [], crossLife, nowMs, old.serial)
  ])
  const { raw } = (await loadRoot(paths, layout2, number)).certificate
  return { number, serial: own.serial, signer: signerOf(keys.privateKey, raw), notAfterMs: life.notAfterMs }
}

async function writePair (files: CaFiles, key: string, certificate: string): Promise<void> {
  await writeKey(files.key, key, { overwrite: false })
  await writePublic(files.certificate, certificate)
}

/** Never one that was used, not even by a step that was cut off. */
async function freeNumber (paths: AuthorityPaths, cas: readonly CaEntry[]): Promise<number> {
  for (let number = Math.max(...cas.map((ca) => ca.number)) + 1; ; number++) {
    const [issuing, root] = [issuingFiles(paths, layout2, number), rootFiles(paths, layout2, number)]
    const taken = await Promise.all([issuing.key, issuing.certificate, root.key, root.certificate].map(isThere))
    if (!taken.includes(true)) return number
    if (number > 10_000) throw new PulsegateError('CERTS_AUTHORITY_DAMAGED', `No number is free for another CA in ${paths.directory}.`)
  }
}

/** Of the CAs that are out of use, and of roots that never came into it; those not here (a medium's) when they are. */
export async function destroyKeys (paths: AuthorityPaths, layout: Layout): Promise<void> {
  for (const { number, state } of layout.cas) if (state === 'withdrawn') await removed(issuingFiles(paths, layout2, number).key)
  for (const number of rolledBackRoots(layout)) await removed(rootFiles(paths, layout2, number).key)
}

/** After authority.json has named its copy. */
export async function dropLayout1Key (paths: AuthorityPaths): Promise<void> {
  await removed(paths.issuingKey)
}

async function removed (path: string): Promise<void> {
  await unlink(path).catch((error: unknown) => { if (!isMissing(error)) throw error })
}
