// Writes down who asked the administration address for what, and how it ended. Never a body: a command may
// hold a patient's data. What the operator says of why (purpose.ts) is there.
import { type AuditAgent, type AuditEvent, type AuditLog } from '../runtime/audit.ts'
import { type Answer } from './answer.ts'
import { type Operator } from './operator.ts'
import { type AdminRoute } from './routes.ts'

export interface Teller {
  /** Who asks, as the trail names them. */
  readonly agent: AuditAgent
  refused (reason: string, path: string, route?: AdminRoute, params?: Record<string, string>): void
  /** Rejects when it cannot be written down; then nothing may be done. */
  begun (route: AdminRoute, params: Record<string, string>, purpose: string | undefined): Promise<void>
  failed (route: AdminRoute, params: Record<string, string>, answer: Answer, purpose: string | undefined): void
}

export function teller (audit: AuditLog, operator: Operator | null, address: string | undefined, requestId: string, method: string): Teller {
  const agent: AuditAgent = {
    id: operator?.name ?? 'unknown',
    role: operator?.role ?? 'operator',
    ...(address !== undefined && { address }),
    ...(operator && { certificateSerial: operator.serial, certificateIssuer: operator.issuer })
  }
  const event = (outcome: AuditEvent['outcome'], path: string, reason?: string, route?: AdminRoute, params: Record<string, string> = {}): AuditEvent => ({
    type: 'admin',
    subtype: 'request',
    action: route?.action ?? 'E',
    outcome,
    agent,
    requestId,
    ...(reason !== undefined && { reason }),
    ...(route && { entity: route.entity(params) }),
    detail: { method, route: path, role: operator?.role ?? null }
  })
  return {
    agent,
    refused (reason, path, route, params) { audit.record(event('serious-failure', path === '(unknown)' || route ? path : '(not looked at)', reason, route, params)) },
    begun: (route, params, purpose) => audit.recordNow(withPurpose(event('success', route.path, undefined, route, params), purpose)),
    failed (route, params, answer, purpose) { audit.record(withPurpose(event('minor-failure', route.path, answer.code, route, params), purpose)) }
  }
}

function withPurpose (event: AuditEvent, purpose: string | undefined): AuditEvent {
  return purpose === undefined ? event : { ...event, purpose }
}
