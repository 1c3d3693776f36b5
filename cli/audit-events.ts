// What the audit commands tell the audit trail of themselves.
import { type Command } from 'commander'
import { type AuditEvent } from '../runtime/audit.ts'
import { operatorAgent, purposeOf } from './actor.ts'

export function auditEvent (command: Command, subtype: 'listed' | 'exported' | 'verified', detail: NonNullable<AuditEvent['detail']>): AuditEvent {
  return { type: 'audit', subtype, action: 'R', outcome: 'success', agent: operatorAgent(), ...purposeOf(command), entity: { type: 'audit', id: 'trail' }, detail }
}
