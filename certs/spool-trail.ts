// The audit trail of a process that has an authority's folder and no database: events go to the spool one after the other, nobody
// waits for them. Bounded: what comes faster than the disk takes it is counted, and the count is written down.
import { type AuditEvent, type AuditTrail } from '../runtime/audit.ts'
import { type Logger } from '../runtime/observability.ts'
import { spoolAudit } from './audit-spool.ts'

const maxWaiting = 1_000

export interface SpoolTrail extends AuditTrail {
  /** Resolves when everything recorded so far is on disk. */
  close (): Promise<void>
}

export function createSpoolTrail (directory: string, source: string, log: Logger): SpoolTrail {
  const waiting: AuditEvent[] = []
  let lost = 0
  let writing: Promise<void> | null = null
  const overflow = (count: number): AuditEvent => ({
    type: 'audit', subtype: 'overflow', action: 'E', outcome: 'serious-failure', count, agent: { id: source, role: 'service' }
  })
  const write = async (): Promise<void> => {
    for (let event = waiting.shift(); event !== undefined; event = waiting.shift()) {
      await spoolAudit(directory, event)
      if (lost === 0 || waiting.length > maxWaiting / 2) continue
      waiting.push(overflow(lost))
      lost = 0
    }
  }
  return {
    record (event) {
      if (waiting.length >= maxWaiting) {
        lost++
        return
      }
      waiting.push({ ...event, atMs: event.atMs ?? Date.now() })
      writing ??= write()
        .catch((err: unknown) => {
          lost++ // the one that could not be written
          log.error({ err }, 'audit events cannot be written to the spool')
        })
        .finally(() => { writing = null })
    },
    close: async () => { await writing }
  }
}
