// How certificates look on a terminal: takes records and reports, gives aligned plain text. Pure; `certs.ts` prints it.
import { type CertificateDescription } from '../certs/describe.ts'
import { type CertificateRecord } from '../certs/journal.ts'
import { type CrlReport, type ListReport } from '../certs/revocation.ts'

export type CertificateState = 'valid' | 'expired' | 'revoked'

const dayMs = 86_400_000

export function stateOf ({ revoked, notAfter }: CertificateRecord, nowMs: number): CertificateState {
  if (revoked !== undefined) return 'revoked'
  return Date.parse(notAfter) > nowMs ? 'valid' : 'expired'
}

/** With its state, for --json. */
export function withState (record: CertificateRecord): object {
  return { ...record, state: stateOf(record, Date.now()) }
}

/** One line a certificate: state, role, names, serial, end. */
export function recordsText (records: readonly CertificateRecord[], nowMs: number): string {
  const rows = records.map((record) => {
    const state = stateOf(record, nowMs)
    const why = record.revoked === undefined ? '' : `${record.revoked.reason}, ${untilText(Date.parse(record.revoked.at))}`
    return [state, record.role, record.names.join(' '), record.serial, untilText(Date.parse(record.notAfter)), why]
  })
  return table([['state', 'role', 'names', 'serial', 'until', 'revoked'], ...rows])
}

function table (rows: readonly string[][]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)))
  return rows.map((row) => `${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  ').trimEnd()}\n`).join('')
}

export function listReportText (lists: CrlReport, nowMs: number): string {
  const line = (name: string, { path, state, why, nextUpdate }: ListReport): string =>
    `${name} list ${state}, good until ${untilText(nextUpdate.getTime())}: ${path}\n${why === undefined ? '' : `It was kept because its key cannot be used: ${why}\n`}`
  const text = line('issuing CA\'s', lists.issuing) + line('root\'s', lists.root)
  const daysLeft = Math.floor((lists.root.nextUpdate.getTime() - nowMs) / dayMs)
  if (lists.root.state === 'written' || daysLeft > warnDays) return text
  return `${text}The root's list ends in ${daysLeft} days, and then no device can connect. Renew it: pulsegate certs crl --root-dir <where root.key is>\n`
}

/** Time enough to fetch a key from a safe. */
const warnDays = 90

export function descriptionText (certificates: readonly CertificateDescription[]): string {
  return certificates.map((certificate) => [
    ['subject', certificate.subject],
    ['names', certificate.alternativeNames || '(none)'],
    ['issuer', certificate.issuer],
    ['serial', certificate.serial],
    ['from', certificate.notBefore],
    ['until', certificate.notAfter],
    ['for', certificate.authority ? 'signing certificates' : certificate.uses.join(', ') || 'anything (no extended key usage)'],
    ['SHA-256', certificate.fingerprint]
  ].map(([name, value]) => `${(name ?? '').padEnd(8)} ${value}\n`).join('')).join('\n')
}

/** Minutes are enough for people; always UTC. */
export function untilText (ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 16).replace('T', ' ')} UTC`
}
