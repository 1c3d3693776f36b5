// From the journal to the revocation lists: which records a target means, which of them can be revoked, and the writing of
// both lists. Node demands a list for every CA of the chain, so the root's is always there too.
// Promise: a list never lacks a revocation that was in the journal when it was asked for, also with two writers at once.
import { AsnConvert } from '@peculiar/asn1-schema'
import { CertificateList } from '@peculiar/asn1-x509'
import { readFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { PulsegateError } from '../runtime/errors.ts'
import { signCrl, type RevokedSerial } from './crl.ts'
import { isMissing, readRequired, syncDirectory, writePublic, type AuthorityPaths } from './files.ts'
import { journalSize, readJournal, type CertificateRecord } from './journal.ts'
import { dayMs, lifeDays } from './profile.ts'
import { type Signer } from './signing.ts'

export interface ListReport {
  readonly path: string
  /** `kept`: the root key was not there, so the list is the one from before. */
  readonly state: 'written' | 'kept'
  readonly nextUpdate: Date
}

export interface CrlReport { readonly issuing: ListReport, readonly root: ListReport }

/** The records of a serial number (any case, colons allowed), a device id or a server name. Throws CERTS_UNKNOWN. */
export function find (records: readonly CertificateRecord[], target: string): CertificateRecord[] {
  const serial = target.replaceAll(':', '').toUpperCase()
  const name = target.toLowerCase()
  const found = records.filter((record) => record.serial === serial || record.names.includes(name))
  if (found.length > 0) return found
  throw new PulsegateError('CERTS_UNKNOWN', `This authority has issued nothing for "${target}".`)
}

/** Those that a revocation concerns: living ones; an expired one is refused by everybody without our help. */
export function selectRevocable (found: readonly CertificateRecord[], target: string, nowMs: number): {
  revocable: CertificateRecord[], alreadyRevoked: CertificateRecord[]
} {
  if (found.some(({ role }) => role === 'root')) {
    throw new PulsegateError('CERTS_INPUT_INVALID', `${target} is the root certificate: no list can revoke it. Remove it from every ca.pem instead.`)
  }
  return {
    revocable: found.filter(({ revoked, notAfter }) => revoked === undefined && Date.parse(notAfter) > nowMs),
    alreadyRevoked: found.filter(({ revoked }) => revoked !== undefined)
  }
}

/** `root: null` keeps the root's list as it is. */
export async function writeLists (paths: AuthorityPaths, signers: { issuing: Signer, root: Signer | null }): Promise<CrlReport> {
  for (;;) {
    const sizeBefore = await journalSize(paths.journal)
    const report = await writeFromJournal(paths, signers)
    // Another process may have revoked while we wrote, and its list may be older than ours or ours than its: then again.
    if (await journalSize(paths.journal) === sizeBefore) return report
  }
}

async function writeFromJournal (paths: AuthorityPaths, signers: { issuing: Signer, root: Signer | null }): Promise<CrlReport> {
  const now = new Date()
  const records = await readJournal(paths.journal)
  const issuing: ListReport = { path: paths.issuingCrl, state: 'written', nextUpdate: after(now, lifeDays.issuingCrl) }
  await writePublic(paths.issuingCrl, signCrl({
    entries: entriesOf(records, ['device', 'server', 'operator'], now), thisUpdate: now, nextUpdate: issuing.nextUpdate, covers: 'user'
  }, signers.issuing))
  const root = signers.root === null ? await keptList(paths.rootCrl) : await writeRootList(paths.rootCrl, records, now, signers.root)
  await syncDirectory(dirname(paths.issuingCrl))
  return { issuing, root }
}

async function writeRootList (path: string, records: readonly CertificateRecord[], now: Date, signer: Signer): Promise<ListReport> {
  const nextUpdate = after(now, lifeDays.rootCrl)
  const entries = entriesOf(records, ['issuing'], now)
  await writePublic(path, signCrl({ entries, thisUpdate: now, nextUpdate, covers: 'ca' }, signer))
  return { path, state: 'written', nextUpdate }
}

async function keptList (path: string): Promise<ListReport> {
  return { path, state: 'kept', nextUpdate: readList(path, await readRequired(path)).nextUpdate }
}

/** RFC 5280, 3.3: an entry stays until it was on a list issued after the certificate's end; a list's life covers that. */
function entriesOf (records: readonly CertificateRecord[], roles: ReadonlyArray<CertificateRecord['role']>, now: Date): RevokedSerial[] {
  const keepUntilMs = lifeDays.issuingCrl * dayMs
  return records.flatMap(({ serial, role, revoked, notAfter }) =>
    revoked !== undefined && roles.includes(role) && Date.parse(notAfter) + keepUntilMs > now.getTime()
      ? [{ serial, at: new Date(revoked.at), reason: revoked.reason }]
      : [])
}

/** From when until when a list counts. Throws CERTS_AUTHORITY_DAMAGED. */
export function readList (path: string, pem: string): { thisUpdate: Date, nextUpdate: Date } {
  try {
    const der = Buffer.from(pem.replace(/-----[^-]+-----/g, ''), 'base64')
    const { thisUpdate, nextUpdate } = AsnConvert.parse(der, CertificateList).tbsCertList
    if (nextUpdate === undefined) throw new Error('no nextUpdate')
    return { thisUpdate: thisUpdate.getTime(), nextUpdate: nextUpdate.getTime() }
  } catch (error) {
    throw new PulsegateError('CERTS_AUTHORITY_DAMAGED', `${path} is not a revocation list in PEM.`, { cause: error })
  }
}

/** The two lists' life as they are on disk; null where one is missing. */
export async function listStates (paths: AuthorityPaths): Promise<Array<{ path: string, thisUpdate: Date, nextUpdate: Date } | null>> {
  return await Promise.all([paths.issuingCrl, paths.rootCrl].map(async (path) => {
    try {
      return { path, ...readList(path, await readFile(path, 'utf8')) }
    } catch (error) {
      if (isMissing(error)) return null
      throw error
    }
  }))
}

function after (now: Date, days: number): Date {
  return new Date(now.getTime() + days * dayMs)
}
