// What ingest/ tells the audit trail, in its words: one function an event, so that whoever tells needs one line.
import { type AuditAgent, type AuditEvent } from '../../runtime/audit.ts'
import { type Admission } from '../../schemas/device.ts'

/** What the program does by itself. */
export const service = (id: string): AuditAgent => ({ id, role: 'service' })

/** Just in time: an unknown device came with a good certificate. */
export function deviceRegistered ({ id, state }: Admission): AuditEvent {
  return { type: 'device', subtype: 'registered', action: 'C', outcome: 'success', agent: { id, role: 'device' }, entity: { type: 'device', id }, detail: { state } }
}

export function retentionDropped (dropped: number, retentionDays: number): AuditEvent {
  return { type: 'data', subtype: 'retention', action: 'D', outcome: 'success', agent: service('pulsegate retention'), detail: { dropped, retentionDays } }
}

export function schemaMigrated (agent: AuditAgent, applied: readonly string[], edition: string): AuditEvent {
  return { type: 'schema', subtype: 'migrated', action: 'U', outcome: 'success', agent, entity: { type: 'schema', id: applied.at(-1) ?? '' }, detail: { migrations: applied.length, applied: applied.join(' '), edition } }
}
