// What the authority's journal tells of the certificates that are out there: shared, several at once, near their end, too long-lived, of
// a revoked authority. Pure but for reading the journal and the lists.
import { authorityPaths } from '../certs/files.ts'
import { readJournal, type CertificateRecord } from '../certs/journal.ts'
import { dayMs, lifeDays } from '../certs/profile.ts'
import { listStates } from '../certs/revocation.ts'
import { type Finding } from './doctor-finding.ts'
import { type SecurityCheck } from './doctor-security.ts'
import { findingOf } from './doctor-security-finding.ts'
import { stat } from 'node:fs/promises'

/** Of a certificate's life: two thirds, less a fifteenth. */
const earliestRenewal = 2 / 3 - 1 / 15
/** Nobody should hear of an end later than this before it. */
const warnBeforeMs = 30 * dayMs

export const checkCertificateRecords: SecurityCheck = async ({ certificates, nowMs }) => {
  const paths = authorityPaths(certificates)
  if (!await stat(paths.journal).then(() => true, () => false)) return [{ name: 'certificates issued', status: 'ok', detail: `no authority in ${certificates}` }]
  const lists = await listStates(paths).catch((): Awaited<ReturnType<typeof listStates>> => [null])
  return [...recordFindings(await readJournal(paths.journal), nowMs), listFinding(lists, nowMs)]
}

/** The findings of a journal at a time. */
export function recordFindings (records: readonly CertificateRecord[], nowMs: number): Finding[] {
  const living = records.filter((record) => isLiving(record, nowMs))
  const devices = byDevice(living)
  const ends = living.filter(({ role }) => role !== 'device')
  return [
    findingOf('certificate shared by devices', living.filter(({ role, names }) => role === 'device' && names.length > 1).map(({ serial, names }) => `${serial} names ${names.length} devices`),
      { fine: 'each names one device', todo: 'revoke it, and give each device a certificate of its own' }),
    findingOf('several certificates of one device', [...devices].filter(([, own]) => tooMany(own)).map(([id, own]) => `${id} has ${own.length} living ones`),
      { fine: 'at most the old and the new one while a device renews', todo: 'revoke those that the device does not use: a copy may be in other hands', status: 'warn' }),
    findingOf('device certificates ending', [...devices].filter(([, own]) => own.every((record) => isEnding(record, nowMs))).map(([id, own]) => `${id} until ${latest(own)}`),
      { fine: 'all are renewed in time', todo: 'find out why these devices do not renew; without it they will be locked out', status: 'warn' }),
    findingOf('server certificate ending', ends.filter((record) => record.role === 'server' && isEnding(record, nowMs) && !isSucceeded(record, living)).map(describe),
      { fine: 'not within its last sixth, or 30 days', todo: '`pulsegate certs server` issues it anew', status: 'warn' }),
    findingOf('authority ending', ends.filter((record) => isAuthority(record) && Date.parse(record.notAfter) - nowMs < warnBeforeMs).map(describe),
      { fine: 'not within 30 days', todo: 'change to a new authority now: nothing outlives it' }),
    findingOf('authority revoked', records.filter((record) => isAuthority(record) && record.revoked !== undefined && Date.parse(record.notAfter) > nowMs).map(({ role, serial }) => `${role} ${serial}`),
      { fine: 'none', todo: 'move brokers and devices to another authority, and stop the one that was revoked' }),
    findingOf('certificates living too long', living.filter((record) => !isAuthority(record) && lifeMs(record) > (lifeDays.maximum + 1) * dayMs).map((record) => `${record.names[0] ?? ''} lives ${Math.round(lifeMs(record) / dayMs)} days`),
      { fine: `none longer than ${lifeDays.maximum} days`, todo: 'revoke and issue anew: a stolen key is of use for as long as its certificate', status: 'warn' })
  ]
}

function listFinding (lists: Awaited<ReturnType<typeof listStates>>, nowMs: number): Finding {
  const faults = lists.flatMap((list) => {
    if (list === null) return ['one is missing or damaged']
    const leftMs = list.nextUpdate.getTime() - nowMs
    const lateMs = Math.min(warnBeforeMs, (list.nextUpdate.getTime() - list.thisUpdate.getTime()) / 6)
    return leftMs < lateMs ? [`${list.path} until ${list.nextUpdate.toISOString().slice(0, 10)}`] : []
  })
  return findingOf('revocation lists ending', faults, { fine: 'fresh', todo: '`pulsegate certs crl` writes new ones; without fresh lists no device can connect' })
}

const lifeMs = ({ notBefore, notAfter }: CertificateRecord) => Date.parse(notAfter) - Date.parse(notBefore)
const isAuthority = ({ role }: CertificateRecord) => role === 'root' || role === 'issuing'
const describe = ({ role, names, notAfter }: CertificateRecord) => `${names[0] ?? role} until ${notAfter.slice(0, 10)}`

export function isLiving ({ notBefore, notAfter, revoked }: CertificateRecord, nowMs: number): boolean {
  return revoked === undefined && Date.parse(notBefore) <= nowMs && nowMs < Date.parse(notAfter)
}

/** In its last sixth: renewal is due after two thirds, so half of the time for it has gone by. Long lives: 30 days. */
function isEnding (record: CertificateRecord, nowMs: number): boolean {
  return Date.parse(record.notAfter) - nowMs < Math.min(warnBeforeMs, lifeMs(record) / 6)
}

/**
 * Renewal makes a second one when two thirds of the first are over, a fifteenth earlier or later by chance (simulator/renew.ts); anything
 * beyond that is not renewal. Of the time since it was issued: a certificate begins a little before that.
 */
function tooMany (own: readonly CertificateRecord[]): boolean {
  if (own.length > 2) return true
  const [older, newer] = [...own].sort((a, b) => Date.parse(a.issuedAt) - Date.parse(b.issuedAt))
  if (older === undefined || newer === undefined) return false
  const issuedMs = Date.parse(older.issuedAt)
  return Date.parse(newer.issuedAt) < issuedMs + (Date.parse(older.notAfter) - issuedMs) * earliestRenewal
}

function isSucceeded (record: CertificateRecord, living: readonly CertificateRecord[]): boolean {
  return living.some((other) => other.role === record.role && Date.parse(other.notAfter) > Date.parse(record.notAfter))
}

function latest (own: readonly CertificateRecord[]): string {
  return own.map(({ notAfter }) => notAfter).sort().at(-1)?.slice(0, 10) ?? ''
}

export function byDevice (records: readonly CertificateRecord[]): Map<string, CertificateRecord[]> {
  const devices = new Map<string, CertificateRecord[]>()
  for (const record of records) {
    if (record.role !== 'device') continue
    for (const id of record.names) devices.set(id, [...devices.get(id) ?? [], record])
  }
  return devices
}
