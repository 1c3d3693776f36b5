// Which role may do what. One table, deny by default: a right that is not listed for a role is not there.
import { type OperatorRole } from '../runtime/operator-roles.ts'

export const adminRights = {
  'status:read': ['viewer', 'operator'],
  'devices:read': ['viewer', 'operator'],
  'devices:change': ['operator'],
  'sessions:end': ['operator'],
  'commands:send': ['operator'],
  'audit:read': ['auditor']
} as const satisfies Record<string, readonly OperatorRole[]>

export type AdminRight = keyof typeof adminRights

export function mayDo (role: OperatorRole, right: AdminRight): boolean {
  return (adminRights[right] as readonly OperatorRole[]).includes(role)
}
