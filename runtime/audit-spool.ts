// Audit events of those who have no database at hand: one file an event in a folder, each there whole or not at all. ingest/audit/spool.ts
// takes them into the chain, exactly once by their ids. One file each, because then nobody can append to what is just being taken away.
import { randomUUID } from 'node:crypto'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { type AuditEvent } from './audit.ts'
import { auditSource, type AuditSource } from './audit-source.ts'
import { writeWhole } from './private-file.ts'

export interface SpooledEvent {
  /** UUID: whoever takes the event in twice stores it once. */
  readonly id: string
  readonly source: AuditSource
  /** With its time. */
  readonly event: AuditEvent
}

/** Of a file that is whole; the time in front keeps them in order. */
export const spoolFileName = /^\d{13,}-[0-9a-f-]{36}\.json$/

/** Resolves when the event is on disk. Makes `folder` (0700) when it is missing. */
export async function spool (folder: string, event: AuditEvent): Promise<void> {
  const atMs = event.atMs ?? Date.now()
  await spoolAll(folder, [{ id: randomUUID(), source: auditSource(), event: { ...event, atMs } }])
}

export async function spoolAll (folder: string, events: readonly SpooledEvent[]): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 })
  for (const event of events) {
    const path = join(folder, `${String(event.event.atMs ?? 0).padStart(13, '0')}-${event.id}.json`)
    await writeWhole(path, `${JSON.stringify(event)}\n`, { mode: 0o600, overwrite: true })
  }
}
