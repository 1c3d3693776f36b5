// Where a change of the issuing CA stands: takes the layout and the journal's records, gives each CA's share of the living certificates and
// what dropping one would do. Pure.
import { type CertificateRecord } from './journal.ts'
import { phaseOf, type CaState, type Layout, type Phase } from './layout.ts'

export interface CaStatus {
  readonly number: number
  readonly state: CaState
  readonly serial: string
  readonly notAfter: string
  /** Living certificates that it has issued. */
  readonly devices: number
  /** Of servers and operators. */
  readonly others: number
  /** Of all living certificates of devices, 0..1; 0 when there is none. */
  readonly share: number
  /** When the last of them ends, ISO 8601; null when there is none. */
  readonly lastEnd: string | null
}

export interface RotationStatus {
  readonly phase: Phase
  readonly cas: readonly CaStatus[]
  /** The command that comes next, and what would take the last step back; null where there is none. */
  readonly next: 'prepare' | 'activate' | 'retire'
  readonly canRollBack: boolean
}

export interface NumberedCa { readonly number: number, readonly serial: string }

export function rotationStatus (layout: Layout, cas: readonly NumberedCa[], records: readonly CertificateRecord[], nowMs: number): RotationStatus {
  const leaves = records.filter((record) => isLivingLeaf(record, nowMs))
  const allDevices = leaves.filter(({ role }) => role === 'device').length
  const phase = phaseOf(layout)
  return {
    phase,
    cas: cas.map(({ number, serial }): CaStatus => {
      const own = leaves.filter(({ issuer }) => issuer === serial)
      const devices = own.filter(({ role }) => role === 'device').length
      return {
        number,
        serial,
        state: layout.cas.find((ca) => ca.number === number)?.state ?? 'withdrawn',
        notAfter: records.find((record) => record.serial === serial)?.notAfter ?? '',
        devices,
        others: own.length - devices,
        share: allDevices === 0 ? 0 : devices / allDevices,
        lastEnd: lastEndOf(own)
      }
    }),
    next: ({ steady: 'prepare', prepared: 'activate', activated: 'retire' } as const)[phase],
    canRollBack: phase !== 'steady' || layout.cas.some(({ state }) => state === 'retired')
  }
}

export interface LockedOut {
  /** Devices that have a living certificate of this CA and none of another. */
  readonly devices: number
  /** When the last of those certificates ends, ISO 8601; null when there is none. */
  readonly lastEnd: string | null
}

/**
 * Whom it would lock out to trust the CA with this serial no more. A device that has renewed elsewhere is none of them: it holds the
 * other certificate. Servers are none either: they present their CA, and devices trust its root.
 */
export function lockedOut (records: readonly CertificateRecord[], serial: string, nowMs: number): LockedOut {
  const leaves = records.filter((record) => record.role === 'device' && isLivingLeaf(record, nowMs))
  const elsewhere = new Set(leaves.filter(({ issuer }) => issuer !== serial).flatMap(({ names }) => names))
  const bereft = leaves.filter(({ issuer, names }) => issuer === serial && names.some((name) => !elsewhere.has(name)))
  return { devices: new Set(bereft.flatMap(({ names }) => names)).size, lastEnd: lastEndOf(bereft) }
}

function isLivingLeaf ({ role, revoked, notAfter }: CertificateRecord, nowMs: number): boolean {
  return role !== 'root' && role !== 'issuing' && revoked === undefined && Date.parse(notAfter) > nowMs
}

function lastEndOf (records: readonly CertificateRecord[]): string | null {
  return records.reduce<string | null>((last, { notAfter }) => last === null || notAfter > last ? notAfter : last, null)
}
