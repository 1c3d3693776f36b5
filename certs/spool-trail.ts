// The audit trail of a process that has an authority's folder and no database: events go to the spool one after the other, nobody
// waits for them. Bounded: what comes faster than the disk takes it is counted, and the count is written down. What the disk did not
// take is tried again with the next event and at the end.
import { type AuditEvent, type AuditTrail } from '../runtime/audit.ts'
import { type Logger } from '../runtime/observability.ts'
import { spoolAudit } from './audit-spool.ts'

export interface SpoolTrail extends AuditTrail {
  /** Resolves when everything recorded so far is on disk, or has been tried once more and told in the log. */
  close (): Promise<void>
}

export function createSpoolTrail (directory: string, source: string, log: Logger, maxWaiting = 1_000): SpoolTrail {
  const waiting: AuditEvent[] = []
  let uncounted = 0
  let failing = false
  let writing: Promise<void> | null = null

  /** The oldest that is not on disk; behind the last one the count of what did not fit. */
  function next (): AuditEvent | undefined {
    if (waiting.length === 0 && uncounted > 0) {
      waiting.push({ type: 'audit', subtype: 'overflow', action: 'E', outcome: 'serious-failure', count: uncounted, agent: { id: source, role: 'service' }, atMs: Date.now() })
      uncounted = 0
    }
    return waiting[0]
  }

  async function writeAll (): Promise<void> {
    try {
      for (let event = next(); event !== undefined; event = next()) {
        await spoolAudit(directory, event)
        waiting.shift()
        failing = false
      }
    } catch (err) {
      if (!failing) log.error({ err, waiting: waiting.length }, 'audit events cannot be written to the spool; they wait')
      failing = true
    }
  }

  function write (): void {
    writing ??= writeAll().finally(() => { writing = null })
  }

  return {
    record (event) {
      if (waiting.length >= maxWaiting) uncounted++
      else waiting.push({ ...event, atMs: event.atMs ?? Date.now() })
      write()
    },
    async close () {
      await writing
      write()
      await writing
      const lost = waiting.length + uncounted
      if (lost > 0) log.error({ lost }, 'audit events could not be written to the spool and are lost')
    }
  }
}
