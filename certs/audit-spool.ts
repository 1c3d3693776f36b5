// What the certificate authority tells the audit trail. It has no database at hand, so it leaves its events in its own folder, where a
// process that has one takes them into the chain.
import { join } from 'node:path'
import { type AuditEvent } from '../runtime/audit.ts'
import { spool } from '../runtime/audit-spool.ts'

/** The folder in the authority's `directory`. */
export function auditSpoolFolder (directory: string): string {
  return join(directory, 'audit')
}

/** Resolves when the event is on disk (fsynced); rejects with the file system's error when it cannot be kept. */
export async function spoolAudit (directory: string, event: AuditEvent): Promise<void> {
  await spool(auditSpoolFolder(directory), event)
}
