// Where an audit event comes from: the machine, and the version of Pulsegate.
import { readFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { fileURLToPath } from 'node:url'

export interface AuditSource {
  readonly node: string
  readonly version: string
}

let known: AuditSource | undefined

/** Of this process. */
export function auditSource (): AuditSource {
  known ??= { node: hostname(), version: (JSON.parse(readFileSync(fileURLToPath(import.meta.resolve('#package')), 'utf8')) as { version: string }).version }
  return known
}
