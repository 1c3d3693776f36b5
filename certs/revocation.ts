// From the journal to the revocation lists: which records a target means, which of them can be revoked, and the writing of
// the lists: one of every issuing CA that is trusted, one of every root. TLS libraries demand one for every CA of a chain.
// Whoever writes holds the authority's lock, so a list never lacks a revocation that was in the journal when it was asked for.
import { readFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { parseCrl, subjectOf, type Crl } from '../runtime/crl.ts'
import { PulsegateError } from '../runtime/errors.ts'
import { pemBlocks, pemBytes } from '../runtime/pem.ts'
import { signCrl, type RevokedSerial } from './crl.ts'
import { isMissing, readRequired, syncDirectory, writePublic, type AuthorityPaths } from './files.ts'
import { concernsDevice, type CertificateRecord, type RevocationReason } from './journal.ts'
import { dayMs, lifeDays } from './profile.ts'
import { type CaCertificate, type RootSigner, type SigningCa } from './state.ts'

export interface ListReport {
  readonly path: string
  /** `kept`: a root key was not there or could not be used, so its list is the one from before. */
  readonly state: 'written' | 'kept'
  /** What is wrong with a root key that is there. */
  readonly why?: string
  /** Of the first of them to end. */
  readonly nextUpdate: Date
}

export interface CrlReport { readonly issuing: ListReport, readonly root: ListReport }

/** Whose lists are to be written. A root whose signer is null keeps the list it has. */
export interface ListSigners {
  readonly cas: readonly SigningCa[]
  readonly roots: readonly RootSigner[]
}

/** What was issued for a serial number (any case, colons allowed), a device id or a server's or operator's name; empty when nothing was. */
export function finder (records: readonly CertificateRecord[]): (target: string) => CertificateRecord[] {
  const found = new Map<string, CertificateRecord[]>()
  const note = (key: string, record: CertificateRecord): void => {
    const list = found.get(key)
    if (list === undefined) found.set(key, [record])
    else list.push(record)
  }
  for (const record of records) {
    note(record.serial, record)
    for (const name of record.names) note(name, record)
  }
  return (target) => found.get(target.replaceAll(':', '').toUpperCase()) ?? found.get(target.toLowerCase()) ?? []
}

/** The same of one. Throws CERTS_UNKNOWN. */
export function find (records: readonly CertificateRecord[], target: string): CertificateRecord[] {
  const found = finder(records)(target)
  if (found.length > 0) return found
  throw new PulsegateError('CERTS_UNKNOWN', `This authority has issued nothing for "${target}".`)
}

/**
 * Those that a revocation concerns: living ones; an expired one is refused by everybody without our help. Of a device without a living one
 * it is the last of those it had: nobody needs it on a list, but its being revoked keeps the device's birth certificate from a new one.
 */
export function selectRevocable (found: readonly CertificateRecord[], target: string, reason: RevocationReason, nowMs: number): {
  revocable: CertificateRecord[], alreadyRevoked: CertificateRecord[]
} {
  if (found.some(({ role }) => role === 'root')) {
    throw new PulsegateError('CERTS_INPUT_INVALID', `${target} is the root certificate: no list can revoke it. Remove it from every ca.pem instead.`)
  }
  const living = found.filter(({ revoked, notAfter }) => revoked === undefined && Date.parse(notAfter) > nowMs)
  const last = found.findLast(({ role }) => role === 'device')
  const ended = living.length === 0 && last !== undefined && last.revoked === undefined && concernsDevice(reason) ? [last] : []
  return { revocable: [...living, ...ended], alreadyRevoked: found.filter(({ revoked }) => revoked !== undefined) }
}

export async function writeLists (paths: AuthorityPaths, records: readonly CertificateRecord[], { cas, roots }: ListSigners, now = new Date()): Promise<CrlReport> {
  const nextUpdate = after(now, lifeDays.issuingCrl)
  const listsOfCas = cas.map(({ serial, signer }) => signCrl({ entries: entriesOf(records, serial, now), thisUpdate: now, nextUpdate, covers: 'user' }, signer))
  await writePublic(paths.issuingCrl, listsOfCas.join(''))
  const root = await writeRootLists(paths, records, roots, now)
  await syncDirectory(dirname(paths.issuingCrl))
  return { issuing: { path: paths.issuingCrl, state: 'written', nextUpdate }, root }
}

async function writeRootLists (paths: AuthorityPaths, records: readonly CertificateRecord[], roots: ListSigners['roots'], now: Date): Promise<ListReport> {
  const nextUpdate = after(now, lifeDays.rootCrl)
  const lists: Array<{ pem: string, nextUpdate: Date }> = []
  for (const { root, signer } of roots) {
    lists.push(signer === null
      ? await keptList(paths.rootCrl, root)
      : { pem: signCrl({ entries: entriesOf(records, root.serial, now), thisUpdate: now, nextUpdate, covers: 'ca' }, signer), nextUpdate })
  }
  const text = lists.map(({ pem }) => pem).join('')
  const kept = roots.some(({ signer }) => signer === null)
  const soonest = new Date(Math.min(...lists.map((list) => list.nextUpdate.getTime())))
  if (!kept || text !== await readFile(paths.rootCrl, 'utf8')) await writePublic(paths.rootCrl, text)
  const why = roots.find((root) => root.why !== undefined)?.why
  return { path: paths.rootCrl, state: kept ? 'kept' : 'written', ...(why !== undefined && { why }), nextUpdate: soonest }
}

async function keptList (path: string, root: CaCertificate): Promise<{ pem: string, nextUpdate: Date }> {
  const name = subjectOf(root.certificate.raw)
  const found = readLists(path, await readRequired(path)).find(({ crl }) => crl.issuer === name && crl.signedBy(root.certificate.publicKey) === true)
  if (found !== undefined) return { pem: `${found.pem}\n`, nextUpdate: found.nextUpdate }
  throw new PulsegateError('CERTS_AUTHORITY_DAMAGED', `${path} holds no list of ${root.file}; a new one needs the root key: give --root-dir <where it is>`)
}

/** RFC 5280, 3.3: an entry stays until it was on a list issued after the certificate's end; a list's life covers that. */
function entriesOf (records: readonly CertificateRecord[], issuer: string, now: Date): RevokedSerial[] {
  const keepFromMs = now.getTime() - lifeDays.issuingCrl * dayMs
  return records.flatMap((record) => record.revoked !== undefined && record.issuer === issuer && record.serial !== issuer && Date.parse(record.notAfter) > keepFromMs
    ? [{ serial: record.serial, at: new Date(record.revoked.at), reason: record.revoked.reason }]
    : [])
}

export interface ListState { readonly path: string, readonly thisUpdate: Date, readonly nextUpdate: Date }

interface ReadList extends ListState { readonly pem: string, readonly crl: Crl }

/** The lists in a file, at least one. Throws CERTS_AUTHORITY_DAMAGED. */
export function readLists (path: string, text: string): ReadList[] {
  try {
    const blocks = pemBlocks(text, 'X509 CRL')
    if (blocks.length === 0) throw new Error('no list')
    return blocks.map((pem) => {
      const crl = parseCrl(pemBytes(pem))
      if (crl.nextUpdateMs === null) throw new Error('no nextUpdate')
      return { path, pem, crl, thisUpdate: new Date(crl.thisUpdateMs), nextUpdate: new Date(crl.nextUpdateMs) }
    })
  } catch (error) {
    throw new PulsegateError('CERTS_AUTHORITY_DAMAGED', `${path} is not a revocation list in PEM.`, { cause: error })
  }
}

/** The life of each list as it is on disk; null for a file that is missing. */
export async function listStates (paths: AuthorityPaths): Promise<Array<ListState | null>> {
  const states = await Promise.all([paths.issuingCrl, paths.rootCrl].map(async (path): Promise<Array<ListState | null>> => {
    try {
      return readLists(path, await readFile(path, 'utf8')).map(({ thisUpdate, nextUpdate }) => ({ path, thisUpdate, nextUpdate }))
    } catch (error) {
      if (isMissing(error)) return [null]
      throw error
    }
  }))
  return states.flat()
}

function after (now: Date, days: number): Date {
  return new Date(now.getTime() + days * dayMs)
}
