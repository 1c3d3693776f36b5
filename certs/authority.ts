// The certificate authority of a fleet: takes device ids, server names and signing requests, gives certificates, and takes
// them back. The root signs the issuing CA and its own list, and may be kept offline: all daily work is the issuing CA's.
// Promise: whatever is issued is in the journal before it is handed out; whatever is revoked is in the list when `revoke`
// returns; nothing here prints a key.
import { X509Certificate, type KeyObject } from 'node:crypto'
import { stat } from 'node:fs/promises'
import { PulsegateError } from '../runtime/errors.ts'
import { authorityPaths, deviceFiles, isMissing, readKey, readRequired, syncDirectory, writeKey, writePublic, type AuthorityPaths } from './files.ts'
import { createAuthorityFiles, issuedEntry } from './init.ts'
import { appendJournal, readJournal, type CertificateRecord, type RevocationReason, type Role } from './journal.ts'
import { checkDays, checkDeviceId, deviceExtensions, lifeDays, serverExtensions, validity } from './profile.ts'
import { publicKeyOfRequest } from './request.ts'
import { find, selectRevocable, writeLists, type CrlReport } from './revocation.ts'
import { createKeyPair, privateKeyPem, signCertificate, signerOf, type Extension, type Signer } from './signing.ts'

export interface IssuedCertificate {
  readonly serial: string
  readonly certPem: string
  /** The certificate, then the issuing CA's: what a TLS peer presents. */
  readonly chainPem: string
  readonly notAfterMs: number
}

export interface IssuedDevice extends IssuedCertificate {
  readonly id: string
  readonly keyPem: string
  readonly keyFile: string
  readonly certFile: string
}

export interface IssuedServer extends IssuedCertificate { readonly keyFile: string, readonly certFile: string }

export interface LifeOptions {
  /** More than 0, at most 30. */
  readonly days?: number
}

export interface BulkOptions extends LifeOptions {
  readonly onProgress?: (done: number, total: number) => void
  readonly signal?: AbortSignal
}

export interface RevokeReport {
  readonly revoked: readonly CertificateRecord[]
  readonly alreadyRevoked: readonly CertificateRecord[]
  readonly lists: CrlReport
}

export interface AuthorityOptions {
  /** Where root.key is kept, when that is not the authority's directory. */
  readonly rootDirectory?: string
}

/** Makes a new authority in `directory` (created, 0700). Throws CERTS_AUTHORITY_EXISTS rather than overwrite anything. */
export async function initAuthority (directory: string, options: AuthorityOptions = {}): Promise<Authority> {
  const paths = authorityPaths(directory, options.rootDirectory)
  await createAuthorityFiles(paths, Date.now())
  const authority = await openAuthority(directory, options)
  await authority.writeCrls()
  return authority
}

/**
 * Opens the authority in `directory`. Throws CERTS_AUTHORITY_MISSING, CERTS_AUTHORITY_DAMAGED (files that do not fit
 * together) or CERTS_KEY_EXPOSED. The root key need not be there.
 */
export async function openAuthority (directory: string, options: AuthorityOptions = {}): Promise<Authority> {
  const paths = authorityPaths(directory, options.rootDirectory)
  if (!await isThere(paths.ca)) {
    throw new PulsegateError('CERTS_AUTHORITY_MISSING', `There is no certificate authority in ${paths.directory}: no ca.pem.`)
  }
  const issuingPem = await readRequired(paths.issuingCertificate)
  const issuing = parseCertificate(paths.issuingCertificate, issuingPem)
  const root = parseCertificate(paths.rootCertificate, await readRequired(paths.rootCertificate))
  const key = await readKey(paths.issuingKey).catch((error: unknown) => {
    if (isMissing(error)) throw new PulsegateError('CERTS_AUTHORITY_DAMAGED', `${paths.issuingKey} is missing.`)
    throw error
  })
  if (!issuing.checkPrivateKey(key)) throw mismatch(paths.issuingKey, paths.issuingCertificate)
  if (!issuing.verify(root.publicKey)) throw mismatch(paths.issuingCertificate, paths.rootCertificate)
  if (await isThere(paths.rootKey)) await readKey(paths.rootKey) // checks it: an exposed root key is the worst of all
  return new Authority(paths, signerOf(key, issuing.raw), issuing, issuingPem)
}

export class Authority {
  readonly paths: AuthorityPaths
  readonly #signer: Signer
  readonly #issuing: X509Certificate
  readonly #issuingPem: string

  /** Use `initAuthority` or `openAuthority`. */
  constructor (paths: AuthorityPaths, signer: Signer, issuing: X509Certificate, issuingPem: string) {
    this.paths = paths
    this.#signer = signer
    this.#issuing = issuing
    this.#issuingPem = issuingPem
  }

  /** Key and certificate for one device, also written to devices/. An earlier certificate stays valid until it ends. */
  async issueDevice (id: string, options: LifeOptions = {}): Promise<IssuedDevice> {
    const [device] = await this.issueDevices([id], options)
    if (device === undefined) throw new Error('unreachable: one id in, one device out')
    return device
  }

  /** The same for many, in groups that share one journal write; about 4 ms each. Stops with the signal's reason. */
  async issueDevices (ids: readonly string[], options: BulkOptions = {}): Promise<IssuedDevice[]> {
    const days = checkDays(options.days ?? lifeDays.device)
    const wanted = ids.map(checkDeviceId)
    const devices: IssuedDevice[] = []
    for (let start = 0; start < wanted.length; start += groupSize) {
      options.signal?.throwIfAborted()
      devices.push(...await this.#issueGroup(wanted.slice(start, start + groupSize), days))
      options.onProgress?.(devices.length, wanted.length)
    }
    await syncDirectory(this.paths.devices)
    return devices
  }

  async #issueGroup (ids: readonly string[], days: number): Promise<IssuedDevice[]> {
    const life = this.#life(days)
    const devices = ids.map((id): IssuedDevice => {
      const keys = createKeyPair()
      const { serial, pem } = signCertificate({
        commonName: id, publicKey: keys.publicKey, ...life, extensions: deviceExtensions(id)
      }, this.#signer)
      return { id, keyPem: privateKeyPem(keys.privateKey), ...this.#issued(serial, pem, life.notAfterMs), ...deviceFiles(this.paths, id) }
    })
    await appendJournal(this.paths.journal, devices.map(({ serial, id }) => issuedEntry(serial, 'device', [id], life, Date.now())))
    await Promise.all(devices.map(async (device) => {
      await writeKey(device.keyFile, device.keyPem, { overwrite: true })
      await writePublic(device.certFile, device.chainPem)
    }))
    return devices
  }

  /** Key and certificate for the broker under these DNS names and IP addresses, written to server/. */
  async issueServer (names: readonly string[], options: LifeOptions = {}): Promise<IssuedServer> {
    const commonName = names[0]
    if (commonName === undefined) throw new PulsegateError('CERTS_INPUT_INVALID', 'A server certificate needs at least one name.')
    const life = this.#life(checkDays(options.days ?? lifeDays.server))
    const keys = createKeyPair()
    const { serial, pem } = signCertificate({
      // X.520 bounds a common name at 64 characters; nobody reads it, the names are in the SAN
      commonName: commonName.slice(0, 64), publicKey: keys.publicKey, ...life, extensions: serverExtensions(names)
    }, this.#signer)
    await appendJournal(this.paths.journal, [issuedEntry(serial, 'server', names.map((name) => name.toLowerCase()), life, Date.now())])
    const issued = this.#issued(serial, pem, life.notAfterMs)
    await writeKey(this.paths.serverKey, privateKeyPem(keys.privateKey), { overwrite: true })
    await writePublic(this.paths.serverCertificate, issued.chainPem)
    return { ...issued, keyFile: this.paths.serverKey, certFile: this.paths.serverCertificate }
  }

  /** Signs a certificate of another kind (operators.ts) and notes it in the journal. */
  async signOther (fields: { readonly role: Role, readonly name: string, readonly publicKey: KeyObject, readonly extensions: readonly Extension[] }, options: LifeOptions = {}): Promise<IssuedCertificate> {
    const { role, name, publicKey, extensions } = fields
    const life = this.#life(checkDays(options.days ?? lifeDays.device))
    const { serial, pem } = signCertificate({ commonName: name, publicKey, ...life, extensions }, this.#signer)
    await appendJournal(this.paths.journal, [issuedEntry(serial, role, [name], life, Date.now())])
    return this.#issued(serial, pem, life.notAfterMs)
  }

  /** Signs the public key of a PKCS #10 request for `id`; everything else in it is ignored. Writes nothing but the journal. */
  async signRequest (requestPem: string, options: LifeOptions & { readonly id: string }): Promise<IssuedCertificate> {
    const id = checkDeviceId(options.id)
    const life = this.#life(checkDays(options.days ?? lifeDays.device))
    const publicKey: KeyObject = await publicKeyOfRequest(requestPem)
    const { serial, pem } = signCertificate({ commonName: id, publicKey, ...life, extensions: deviceExtensions(id) }, this.#signer)
    await appendJournal(this.paths.journal, [issuedEntry(serial, 'device', [id], life, Date.now())])
    return this.#issued(serial, pem, life.notAfterMs)
  }

  /**
   * Revokes one certificate by serial number, or every living one of a device id or server name, and writes the lists.
   * Revoking twice is no error: the report says what was revoked already. Throws CERTS_UNKNOWN.
   */
  async revoke (target: string, reason: RevocationReason): Promise<RevokeReport> {
    const found = find(await this.list(), target)
    const { revocable, alreadyRevoked } = selectRevocable(found, target, Date.now())
    // asked for before anything is written: a revocation nobody can publish would only look like one
    const root = revocable.some(({ role }) => role === 'issuing') ? 'required' : 'when-there'
    if (root === 'required' && !await isThere(this.paths.rootKey)) throw rootKeyAbsent(this.paths)
    const at = new Date().toISOString()
    await appendJournal(this.paths.journal, revocable.map(({ serial }) => ({ event: 'revoked', at, serial, reason })))
    return { revoked: revocable.map((record) => ({ ...record, revoked: { at, reason } })), alreadyRevoked, lists: await this.writeCrls({ root }) }
  }

  /**
   * Writes fresh revocation lists from the journal. The root's needs the root key: without it the old list is kept, or with
   * `root: 'required'` CERTS_ROOT_KEY_ABSENT is thrown.
   */
  async writeCrls (options: { readonly root?: 'required' | 'when-there' } = {}): Promise<CrlReport> {
    const rootThere = await isThere(this.paths.rootKey)
    if (options.root === 'required' && !rootThere) throw rootKeyAbsent(this.paths)
    const rootCertificate = parseCertificate(this.paths.rootCertificate, await readRequired(this.paths.rootCertificate))
    const rootSigner = rootThere ? signerOf(await readKey(this.paths.rootKey), rootCertificate.raw) : null
    return await writeLists(this.paths, { issuing: this.#signer, root: rootSigner })
  }

  /** Everything ever issued, oldest first. */
  async list (): Promise<CertificateRecord[]> {
    return await readJournal(this.paths.journal)
  }

  /** What is known of a serial number, or of all certificates of a device id or server name. Throws CERTS_UNKNOWN. */
  async show (target: string): Promise<CertificateRecord[]> {
    return find(await this.list(), target)
  }

  #life (days: number): ReturnType<typeof validity> {
    const issuerNotAfterMs = Date.parse(this.#issuing.validTo)
    if (Date.now() > issuerNotAfterMs || Date.now() < Date.parse(this.#issuing.validFrom)) {
      throw new PulsegateError('CERTS_AUTHORITY_EXPIRED', `${this.paths.issuingCertificate} is valid from ${this.#issuing.validFrom} to ${this.#issuing.validTo}, which is not now.`)
    }
    return validity(Date.now(), days, issuerNotAfterMs)
  }

  #issued (serial: string, certPem: string, notAfterMs: number): IssuedCertificate {
    return { serial, certPem, chainPem: certPem + this.#issuingPem, notAfterMs }
  }
}

/** Bounds what one journal write and one burst of open files hold. */
const groupSize = 32

async function isThere (path: string): Promise<boolean> {
  return await stat(path).then(() => true, (error: unknown) => {
    if (isMissing(error)) return false
    throw error
  })
}

function parseCertificate (path: string, pem: string): X509Certificate {
  try {
    return new X509Certificate(pem)
  } catch (error) {
    throw new PulsegateError('CERTS_AUTHORITY_DAMAGED', `${path} is not a certificate in PEM.`, { cause: error })
  }
}

function mismatch (path: string, other: string): PulsegateError {
  return new PulsegateError('CERTS_AUTHORITY_DAMAGED', `${path} does not belong to ${other}.`)
}

function rootKeyAbsent (paths: AuthorityPaths): PulsegateError {
  return new PulsegateError('CERTS_ROOT_KEY_ABSENT', `The root key is not at ${paths.rootKey}, and the root's revocation list can only be signed with it.`)
}
