// Audit events of commands and processes without a database: one JSON line each, on disk when the promise resolves, in
// `<directory>/audit/spool.jsonl`. A process that has the database takes them into the chain, once each, by their id.
import { randomUUID } from 'node:crypto'
import { mkdir, open } from 'node:fs/promises'
import { join } from 'node:path'
import { type AuditEvent } from '../runtime/audit.ts'

export async function spoolAudit (directory: string, event: AuditEvent): Promise<void> {
  await mkdir(join(directory, 'audit'), { recursive: true, mode: 0o700 })
  const file = await open(join(directory, 'audit', 'spool.jsonl'), 'a', 0o600)
  try {
    await file.appendFile(`${JSON.stringify({ id: randomUUID(), ...event, atMs: event.atMs ?? Date.now() })}\n`)
    await file.sync()
  } finally {
    await file.close()
  }
}
