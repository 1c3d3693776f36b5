// What the `pulsegate certs` commands tell the audit trail: they have no database, so it goes to the spool in the authority's folder.
// Nothing secret is in it: serials, names, reasons.
import { spoolAudit } from '../certs/audit-spool.ts'
import { type CertificateRecord } from '../certs/journal.ts'
import { type CrlReport } from '../certs/revocation.ts'
import { type StepReport } from '../certs/rotation.ts'
import { type AuditEvent } from '../runtime/audit.ts'
import { type OperatorRole } from '../runtime/operator-roles.ts'
import { operatorAgent } from './actor.ts'

type CertificateEvent = Extract<AuditEvent, { type: 'certificate' }>
/** What a command adds to each of its events: `purpose`, when one was given (actor.ts). */
export type Why = Pick<AuditEvent, 'purpose'>
type AuthorityEvent = Extract<AuditEvent, { type: 'authority' }>

/** Each is a file and an fsync; of more, one event with their number says enough: the journal names each. */
const maxSingly = 100

/** Resolves when the events are on disk. */
async function tell (directory: string, events: readonly AuditEvent[]): Promise<void> {
  for (const event of events) await spoolAudit(directory, event)
}

export async function tellIssued (directory: string, issued: ReadonlyArray<{ readonly serial: string, readonly name: string, readonly notAfterMs: number }>, kind: 'device' | 'server' | OperatorRole, how: 'issue' | 'sign' | 'server' | 'operator', why: Why = {}): Promise<void> {
  const base = { type: 'certificate', subtype: 'issued', action: 'C', outcome: 'success', agent: operatorAgent(), ...why } as const
  const last = issued.at(-1)
  if (issued.length > maxSingly && last !== undefined) {
    await tell(directory, [{ ...base, count: issued.length, entity: { type: 'certificate', id: last.serial }, detail: { how, kind } }])
    return
  }
  await tell(directory, issued.map(({ serial, name, notAfterMs }): CertificateEvent =>
    ({ ...base, entity: { type: 'certificate', id: serial }, detail: { how, [kind]: name, notAfter: new Date(notAfterMs).toISOString() } })))
}

export async function tellRevoked (directory: string, revoked: readonly CertificateRecord[], reason: string, why: Why): Promise<void> {
  const base = { type: 'certificate', subtype: 'revoked', action: 'U', outcome: 'success', reason, agent: operatorAgent(), ...why } as const
  const last = revoked.at(-1)
  if (revoked.length > maxSingly && last !== undefined) {
    await tell(directory, [{ ...base, count: revoked.length, entity: { type: 'certificate', id: last.serial } }])
    return
  }
  await tell(directory, revoked.map(({ serial, role, names }): CertificateEvent =>
    ({ ...base, entity: { type: 'certificate', id: serial }, detail: { role, name: names[0] ?? null } })))
}

export async function tellMade (directory: string): Promise<void> {
  await tell(directory, [authorityEvent(directory, 'made', 'C')])
}

export async function tellLists (directory: string, { issuing, root }: CrlReport): Promise<void> {
  await tell(directory, [authorityEvent(directory, 'lists-written', 'U', {
    root: root.state, issuingUntil: issuing.nextUpdate.toISOString(), rootUntil: root.nextUpdate.toISOString()
  })])
}

export async function tellStep (directory: string, { step, phase, issuing, trusted, server, finishedEarlier }: StepReport, forced: boolean, why: Why): Promise<void> {
  await tell(directory, [{ ...authorityEvent(directory, 'rotation', 'U', { step, phase, issuing, trusted: trusted.join(' '), server, forced, finishedEarlier }), ...why }])
}

export async function tellKeysChanged (directory: string, encrypted: boolean, files: number, why: Why): Promise<void> {
  await tell(directory, [{ ...authorityEvent(directory, 'key-changed', 'U', { encrypted, files }), ...why }])
}

function authorityEvent (directory: string, subtype: AuthorityEvent['subtype'], action: AuthorityEvent['action'], detail?: NonNullable<AuditEvent['detail']>): AuthorityEvent {
  return { type: 'authority', subtype, action, outcome: 'success', agent: operatorAgent(), entity: { type: 'authority', id: directory }, ...(detail && { detail }) }
}
