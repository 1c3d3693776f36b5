// What ingest/ tells the audit trail, in its words: one function an event, so that whoever tells needs one line.
import { type AuditAgent, type AuditEvent } from '../../runtime/audit.ts'

/** What the program does by itself. */
export const service = (id: string): AuditAgent => ({ id, role: 'service' })

/** `applied`: names of migrations, in order. */
export function schemaMigrated (agent: AuditAgent, applied: readonly string[], edition: string): AuditEvent {
  return { type: 'schema', subtype: 'migrated', action: 'U', outcome: 'success', agent, entity: { type: 'schema', id: applied.at(-1) ?? '' }, detail: { migrations: applied.length, applied: applied.join(' '), edition } }
}
