// The authority's memory, index.jsonl: takes what was issued and revoked, gives it back as one record a certificate.
// One JSON object a line, only ever appended and fsynced before the certificate leaves our hands, so that whatever is
// out there can be found and revoked. A line that a crash cut off was never given to anybody: it is dropped by the next
// append. A damaged line anywhere else is an error, because a lost revocation would be worse than no service. Writers come
// one at a time (lock.ts); readers need not wait: they see whole lines.
import { open } from 'node:fs/promises'
import { dirname } from 'node:path'
import { PulsegateError } from '../runtime/errors.ts'
import { readRequired } from './files.ts'
import { withLock } from './lock.ts'

export type Role = 'root' | 'issuing' | 'device' | 'server' | 'operator'

/** RFC 5280, 5.3.1; without those that mean "not for good": a device is suspended in the registry instead. */
export const revocationReasons = [
  'unspecified', 'keyCompromise', 'cACompromise', 'affiliationChanged', 'superseded', 'cessationOfOperation', 'privilegeWithdrawn'
] as const
export type RevocationReason = typeof revocationReasons[number]

/** False: a certificate is taken back for it whose device is as good as before. */
export function concernsDevice (reason: RevocationReason): boolean {
  return reason !== 'superseded' && reason !== 'cACompromise'
}

export interface Issued {
  readonly event: 'issued'
  /** All times are ISO 8601 in UTC: people read this file. */
  readonly at: string
  readonly serial: string
  readonly role: Role
  /** Device id, the server's names, the operator's name, or nothing for a CA. */
  readonly names: readonly string[]
  readonly notBefore: string
  readonly notAfter: string
  /** Serial of the CA that signed it. Journals from before there could be two do not say: then it was the one there was. */
  readonly issuer?: string
  /** Whose birth certificate it was issued for: SHA-256 of the maker's key, hex. */
  readonly maker?: string
}

export interface Revoked {
  readonly event: 'revoked'
  readonly at: string
  readonly serial: string
  readonly reason: RevocationReason
}

/** One certificate, as far as it has come. */
export type CertificateRecord = Omit<Issued, 'event' | 'at' | 'issuer' | 'maker'> & {
  readonly issuedAt: string
  /** Serial of the CA that signed it; a root's own. */
  readonly issuer: string
  readonly revoked?: { readonly at: string, readonly reason: RevocationReason }
}

export type JournalEntry = Issued | Revoked

/** On disk when it resolves. Takes the authority's lock: whoever holds it already calls `appendEntries`. */
export async function appendJournal (path: string, entries: readonly JournalEntry[]): Promise<void> {
  await withLock(dirname(path), () => appendEntries(path, entries))
}

/** The same for who holds the authority's lock. */
export async function appendEntries (path: string, entries: readonly JournalEntry[]): Promise<void> {
  if (entries.length === 0) return
  const file = await open(path, 'a+', 0o600)
  try {
    await dropTornLine(file)
    await file.appendFile(entries.map((entry) => `${JSON.stringify(entry)}\n`).join(''))
    await file.sync()
  } finally {
    await file.close()
  }
}

async function dropTornLine (file: Awaited<ReturnType<typeof open>>): Promise<void> {
  const { size } = await file.stat()
  if (size === 0) return
  const tail = Buffer.alloc(Math.min(size, 65_536)) // far longer than any line of ours
  await file.read(tail, 0, tail.length, size - tail.length)
  if (tail.at(-1) === 0x0a) return
  await file.truncate(size - tail.length + tail.lastIndexOf(0x0a) + 1)
}

/** Every certificate ever issued, in order of issue. Throws CERTS_AUTHORITY_DAMAGED with the number of the bad line. */
export async function readJournal (path: string): Promise<CertificateRecord[]> {
  const lines = (await readRequired(path)).split('\n')
  lines.pop() // after the last newline: nothing, or a line that a crash cut off
  const records = new Map<string, CertificateRecord>()
  const first = {}
  for (const [index, line] of lines.entries()) {
    if (!applyLine(records, line, first)) {
      throw new PulsegateError('CERTS_AUTHORITY_DAMAGED', `Line ${index + 1} of ${path} is not a record of this authority.`)
    }
  }
  return [...records.values()]
}

function applyLine (records: Map<string, CertificateRecord>, line: string, first: { root?: string, issuing?: string }): boolean {
  const entry = parseLine(line)
  if (entry === null) return false
  if (entry.event === 'issued') {
    const { at, serial, role, names, notBefore, notAfter } = entry
    if (role === 'root') first.root ??= serial
    if (role === 'issuing') first.issuing ??= serial
    const issuer = entry.issuer ?? (role === 'root' ? serial : role === 'issuing' ? first.root : first.issuing) ?? ''
    records.set(serial, { serial, role, names, notBefore, notAfter, issuer, issuedAt: at })
    return true
  }
  const record = records.get(entry.serial)
  if (record === undefined) return false
  if (record.revoked === undefined) records.set(entry.serial, { ...record, revoked: { at: entry.at, reason: entry.reason } })
  return true
}

function parseLine (line: string): Issued | Revoked | null {
  try {
    const entry = JSON.parse(line) as Partial<Issued> | Partial<Revoked> | null
    if (typeof entry?.serial !== 'string' || typeof entry.at !== 'string') return null
    if (entry.event === 'issued') return Array.isArray(entry.names) && typeof entry.notAfter === 'string' ? entry as Issued : null
    return entry.event === 'revoked' && typeof entry.reason === 'string' ? entry as Revoked : null
  } catch {
    return null
  }
}
