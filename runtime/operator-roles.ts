// What somebody who administers may be, in the words that stand in their certificate (certs/operators.ts writes them, admin/ reads them).

/** viewer: looks at devices and states. operator: also changes them. auditor: reads the audit trail, and nothing else. */
export const operatorRoles = ['viewer', 'operator', 'auditor'] as const
export type OperatorRole = typeof operatorRoles[number]

/** `urn:pulsegate:operator:alice`: the one name in the certificate. */
export function operatorUri (role: OperatorRole, name: string): string {
  return `urn:pulsegate:${role}:${name}`
}

const form = /^urn:pulsegate:(viewer|operator|auditor):([a-z0-9][a-z0-9._-]{0,63})$/

/** Role and name in such a URI; null when it is none. */
export function readOperatorUri (uri: string): { role: OperatorRole, name: string } | null {
  const [, role, name] = form.exec(uri) ?? []
  return role === undefined || name === undefined ? null : { role: role as OperatorRole, name }
}
