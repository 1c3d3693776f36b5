// What is written down for auditors: who did what to what, when, why, and how it ended (fields after FHIR R4 AuditEvent). Parts are given
// a trail and tell it; ingest/audit/ chains, signs and stores what they told. Never a patient value, payload, key or token.
import { type OperatorRole } from './operator-roles.ts'

export interface AuditAgent {
  /** Device id, login or name of a person, or name of a process. */
  readonly id: string
  /** Whoever administers: what their certificate says they are; at the command line, operator. */
  readonly role: 'device' | OperatorRole | 'service'
  /** IP address without a port. */
  readonly address?: string
  readonly certificateIssuer?: string
  /** Upper-case hex. */
  readonly certificateSerial?: string
}

export interface AuditEntity {
  /** What kind of thing: `device`, `pairing`, `quarantine`, `certificate`, `subject` (its pseudonym), `export`, … */
  readonly type: string
  readonly id: string
  readonly tenant?: string
}

/** What may happen, by type; docs/security/audit.md says what each means and who tells it. */
export const auditTypes = {
  connection: ['accepted', 'refused', 'ended'],
  authorization: ['denied'],
  security: ['clone', 'flapping', 'authentication-failures', 'seq-regression', 'clock-step', 'certificate-expiring'],
  certificate: ['issued', 'renewed', 'revoked', 'enrolment-refused', 'token-made', 'token-used'],
  authority: ['made', 'lists-written', 'rotation', 'key-changed'],
  device: ['registered', 'state-changed', 'paired', 'unpaired', 'assigned', 'unassigned', 'moved'],
  quarantine: ['listed', 'viewed', 'replayed', 'purged'],
  data: ['read', 'exported', 'opened', 'erased', 'retention'],
  access: ['granted', 'withdrawn'],
  key: ['made', 'rotated', 'destroyed'],
  configuration: ['loaded', 'changed'],
  schema: ['migrated'],
  process: ['started', 'stopped'],
  admin: ['request'],
  audit: ['listed', 'exported', 'verified', 'overflow']
} as const
export type AuditType = keyof typeof auditTypes

export type AuditEvent = {
  readonly [T in AuditType]: {
    readonly type: T
    readonly subtype: typeof auditTypes[T][number]
    /** Create, read, update, delete, execute. */
    readonly action: 'C' | 'R' | 'U' | 'D' | 'E'
    readonly outcome: 'success' | 'minor-failure' | 'serious-failure' | 'major-failure'
    /** Why it ended so: a refusal's reason, an error's code. */
    readonly reason?: string
    /** Why it was done, in the words of who did it. */
    readonly purpose?: string
    readonly agent: AuditAgent
    readonly entity?: AuditEntity
    readonly requestId?: string
    /** How many events this one stands for, when a storm of the same is written as one; absent: 1. */
    readonly count?: number
    readonly detail?: Readonly<Record<string, string | number | boolean | null>>
    /** ms since 1970; absent: now. */
    readonly atMs?: number
  }
}[AuditType]

/** For what goes on without waiting: never blocks, never throws, bounded; what does not fit is counted and the count is recorded. */
export interface AuditTrail {
  record (event: AuditEvent): void
}

/** For what must not happen unrecorded (an export, a view of a patient's data): do it after this has resolved. */
export interface AuditLog extends AuditTrail {
  /** Resolves when the event is committed; rejects with AUDIT_UNAVAILABLE when it cannot be within a few seconds. */
  recordNow (event: AuditEvent): Promise<void>
}

/** For tests and tools that have nobody to tell. */
export const silentTrail: AuditTrail = { record () {} }
