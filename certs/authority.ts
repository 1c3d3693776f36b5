// The certificate authority of a fleet: takes device ids, server names and signing requests, gives certificates, and takes
// them back. The root signs the issuing CAs and its own list, and may be kept offline: all daily work is the issuing CA's.
// Promise: whatever is issued is in the journal before it is handed out; whatever is revoked is in the list when `revoke`
// returns; nothing here prints a key. Any number of these may work on one directory, in one process or several: each
// change is made under the directory's lock, and by the CA that issues at that moment (rotation.ts changes it).
import { type KeyObject } from 'node:crypto'
import { dirname } from 'node:path'
import { PulsegateError } from '../runtime/errors.ts'
import { fleetNames, type CaNames } from './ca-names.ts'
import { authorityPaths, deviceFiles, isThere, keyPem, readKeyText, refuseOpenDirectory, syncDirectory, writeKey, writePublic, type AuthorityPaths } from './files.ts'
import { createAuthorityFiles } from './init.ts'
import { deviceRequest, hasEncryptedServerKey, issueServerFiles, signLeaf, type IssuedCertificate, type IssuedServer, type LeafRequest } from './issue.ts'
import { appendEntries, readJournal, type CertificateRecord, type RevocationReason } from './journal.ts'
import { rootFiles } from './layout.ts'
import { withLock } from './lock.ts'
import { checkDays, checkDeviceId, lifeDays } from './profile.ts'
import { publicKeyOfRequest } from './request.ts'
import { find, finder, selectRevocable, writeLists, type CrlReport } from './revocation.ts'
import { createKeyPair } from './signing.ts'
import { loadState, rootSigners, stampOf, type AuthorityState, type RootNeed } from './state.ts'

export type { IssuedCertificate, IssuedServer } from './issue.ts'

export interface IssuedDevice extends IssuedCertificate {
  readonly id: string
  readonly keyPem: string
  readonly keyFile: string
  readonly certFile: string
}

export interface LifeOptions {
  /** More than 0, at most 30. */
  readonly days?: number
}

export interface SignOptions extends LifeOptions {
  readonly id: string
  /** Asked last, when nobody else can issue or revoke any more before this is in the journal; what it rejects with keeps it from being issued. */
  readonly admit?: () => Promise<void>
  /** For the journal: see Issued. */
  readonly maker?: string
}

export interface ServerOptions extends LifeOptions {
  /** Put the key under the authority's passphrase. Default: as the one before. */
  readonly encrypt?: boolean
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

export interface BulkRevokeReport extends RevokeReport {
  /** Targets for which nothing was ever issued. */
  readonly unknown: readonly string[]
}

export interface AuthorityOptions {
  /** Where the root keys are kept, when that is not the authority's directory. */
  readonly rootDirectory?: string
  /** What the keys are encrypted with, or are to be; plain keys need none. */
  readonly passphrase?: string
}

/** Makes a new authority in `directory` (created, 0700). Throws CERTS_AUTHORITY_EXISTS rather than overwrite anything. */
export async function initAuthority (directory: string, options: AuthorityOptions = {}, names: CaNames = fleetNames): Promise<Authority> {
  const paths = authorityPaths(directory, options.rootDirectory)
  await createAuthorityFiles(paths, names, Date.now(), options.passphrase)
  const authority = await openAuthority(directory, options)
  await authority.writeCrls()
  return authority
}

/**
 * Opens the authority in `directory`. Throws CERTS_AUTHORITY_MISSING, CERTS_AUTHORITY_DAMAGED (files that do not fit
 * together), CERTS_KEY_EXPOSED (a key, or the directory) or CERTS_PASSPHRASE_UNUSABLE. The root key need not be there.
 */
export async function openAuthority (directory: string, options: AuthorityOptions = {}): Promise<Authority> {
  const paths = authorityPaths(directory, options.rootDirectory)
  if (!await isThere(paths.ca)) {
    throw new PulsegateError('CERTS_AUTHORITY_MISSING', `There is no certificate authority in ${paths.directory}: no ca.pem.`)
  }
  await refuseOpenDirectory(paths.directory)
  const state = await loadState(paths, options.passphrase)
  for (const { root } of state.cas) {
    const { key } = rootFiles(paths, state.layout, root)
    if (!await isThere(key)) continue
    await readKeyText(key) // checks it: an exposed root key is the worst of all
    await refuseOpenDirectory(dirname(key), 'unwritable')
  }
  return new Authority(paths, state, options.passphrase)
}

export class Authority {
  readonly paths: AuthorityPaths
  readonly #passphrase: string | undefined
  #state: AuthorityState

  /** Use `initAuthority` or `openAuthority`. */
  constructor (paths: AuthorityPaths, state: AuthorityState, passphrase: string | undefined) {
    this.paths = paths
    this.#state = state
    this.#passphrase = passphrase
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
    const keys = ids.map(() => createKeyPair())
    const devices = (await this.#sign(ids.map((id, index) => deviceRequest(id, (keys[index] as typeof keys[0]).publicKey, days))))
      .map((issued, index): IssuedDevice => {
        const id = ids[index] as string
        return { ...issued, id, keyPem: keyPem((keys[index] as typeof keys[0]).privateKey), ...deviceFiles(this.paths, id) }
      })
    await Promise.all(devices.map(async (device) => {
      await writeKey(device.keyFile, device.keyPem, { overwrite: true })
      await writePublic(device.certFile, device.chainPem)
    }))
    return devices
  }

  /** Key and certificate for the broker under these DNS names and IP addresses, written to server/. */
  async issueServer (names: readonly string[], options: ServerOptions = {}): Promise<IssuedServer> {
    return await this.#locked(async ({ cas }) => {
      const encrypt = options.encrypt ?? await hasEncryptedServerKey(this.paths)
      if (encrypt && this.#passphrase === undefined) throw new PulsegateError('CERTS_PASSPHRASE_UNUSABLE', 'The server key is to be encrypted, and no passphrase file is named.')
      return await issueServerFiles(this.paths, cas[0], names, { days: options.days, passphrase: encrypt ? this.#passphrase : undefined })
    })
  }

  /** Signs the public key of a PKCS #10 request for `id`; everything else in it is ignored. Writes nothing but the journal. */
  async signRequest (requestPem: string, options: SignOptions): Promise<IssuedCertificate> {
    const id = checkDeviceId(options.id)
    const days = checkDays(options.days ?? lifeDays.device)
    const publicKey: KeyObject = await publicKeyOfRequest(requestPem)
    return await this.#signOne({ ...deviceRequest(id, publicKey, days), maker: options.maker }, options.admit)
  }

  /** Signs a certificate of another kind (an operator's, say) and notes it in the journal. */
  async signOther (fields: Pick<LeafRequest, 'role' | 'publicKey' | 'extensions'> & { readonly name: string }, options: LifeOptions = {}): Promise<IssuedCertificate> {
    const { name, ...rest } = fields
    return await this.#signOne({ ...rest, commonName: name, names: [name], days: checkDays(options.days ?? lifeDays.device) })
  }

  /**
   * Revokes one certificate by serial number, or every living one of a device id or server name, and writes the lists. Of a device
   * that has none the last one it had, unless for a reason that says nothing against it.
   * Revoking twice is no error: the report says what was revoked already. Throws CERTS_UNKNOWN.
   */
  async revoke (target: string, reason: RevocationReason): Promise<RevokeReport> {
    const { unknown, ...report } = await this.revokeAll([target], reason)
    if (unknown.length > 0) throw new PulsegateError('CERTS_UNKNOWN', `This authority has issued nothing for "${target}".`)
    return report
  }

  /** The same for many at once, with one writing of the lists. Those of which nothing is known hold up nobody; the report names them. */
  async revokeAll (targets: readonly string[], reason: RevocationReason): Promise<BulkRevokeReport> {
    return await this.#locked(async (state) => {
      const records = await this.list()
      const found = finder(records)
      const unknown = targets.filter((target) => found(target).length === 0)
      const selected = targets.map((target) => selectRevocable(found(target), target, reason, Date.now()))
      const revocable = [...new Set(selected.flatMap((each) => each.revocable))]
      // asked for before anything is written: a revocation nobody can publish would only look like one
      const root = revocable.some(({ role }) => role === 'issuing') ? 'required' : 'when-there'
      await rootSigners(this.paths, state.layout, state.published, this.#passphrase, root)
      const at = new Date().toISOString()
      await appendEntries(this.paths.journal, revocable.map(({ serial }) => ({ event: 'revoked', at, serial, reason })))
      const revoked = new Map(revocable.map((record) => [record.serial, { ...record, revoked: { at, reason } }]))
      const lists = await this.#writeLists(state, records.map((record) => revoked.get(record.serial) ?? record), root)
      return { revoked: [...revoked.values()], alreadyRevoked: [...new Set(selected.flatMap((each) => each.alreadyRevoked))], unknown, lists }
    })
  }

  /**
   * Writes fresh revocation lists from the journal. The root's needs the root key: without it the old list is kept, or with
   * `root: 'required'` CERTS_ROOT_KEY_ABSENT is thrown.
   */
  async writeCrls ({ root = 'when-there' }: { readonly root?: RootNeed } = {}): Promise<CrlReport> {
    return await this.#locked(async (state) => await this.#writeLists(state, await this.list(), root))
  }

  /** Everything ever issued, oldest first. */
  async list (): Promise<CertificateRecord[]> {
    return await readJournal(this.paths.journal)
  }

  /** What is known of a serial number, or of all certificates of a device id or server name. Throws CERTS_UNKNOWN. */
  async show (target: string): Promise<CertificateRecord[]> {
    return find(await this.list(), target)
  }

  async #signOne (request: LeafRequest, admit?: () => Promise<void>): Promise<IssuedCertificate> {
    const [issued] = await this.#sign([request], admit)
    return issued as IssuedCertificate
  }

  async #sign (requests: readonly LeafRequest[], admit?: () => Promise<void>): Promise<IssuedCertificate[]> {
    return await this.#locked(async ({ cas }) => {
      await admit?.()
      const signed = requests.map((request) => signLeaf(cas[0], request))
      await appendEntries(this.paths.journal, signed.map(({ entry }) => entry))
      return signed.map(({ issued }) => issued)
    })
  }

  async #writeLists ({ layout, published }: AuthorityState, records: readonly CertificateRecord[], need: RootNeed): Promise<CrlReport> {
    return await writeLists(this.paths, records, { cas: published, roots: await rootSigners(this.paths, layout, published, this.#passphrase, need) })
  }

  /** With the CAs as they are now: another process may have changed them. */
  async #locked<T> (work: (state: AuthorityState) => Promise<T>): Promise<T> {
    return await withLock(this.paths.directory, async () => {
      if (await stampOf(this.paths) !== this.#state.stamp) this.#state = await loadState(this.paths, this.#passphrase)
      return await work(this.#state)
    })
  }
}

/** Bounds what one journal write and one burst of open files hold. */
const groupSize = 32
