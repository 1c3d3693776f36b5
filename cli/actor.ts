// Who runs a command, for the audit trail.
import { hostname, userInfo } from 'node:os'
import { type AuditAgent } from '../runtime/audit.ts'

export function operatorAgent (): AuditAgent {
  return { id: `${userInfo().username}@${hostname()}`, role: 'operator' }
}
