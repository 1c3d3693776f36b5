// Who runs a command: the login of the operating system on this host. For the audit trail.
import { hostname, userInfo } from 'node:os'
import { type AuditAgent } from '../runtime/audit.ts'

export function operatorAgent (): AuditAgent {
  return { id: `${loginName()}@${hostname()}`, role: 'operator' }
}

function loginName (): string {
  try {
    return userInfo().username
  } catch {
    return String(process.geteuid?.() ?? 'unknown') // a container's user without a name
  }
}
