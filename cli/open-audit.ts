// A command that must leave a trace: its database and the audit trail on it. Takes a commander command and the work.
import { type Command } from 'commander'
import { type Database } from '../ingest/database.ts'
import { type AuditEvent, type AuditLog } from '../runtime/audit.ts'
import { PulsegateError } from '../runtime/errors.ts'
import { withDatabase } from './open-database.ts'
import { version } from './version.ts'

/** Like withDatabase; what `record` was told is written before the database closes. */
export async function withAudited<T> (command: Command, work: (database: Database, audit: AuditLog) => Promise<T>): Promise<T> {
  return withDatabase(command, async (database) => {
    const pending = new Set<Promise<void>>()
    const recordNow = async (event: AuditEvent): Promise<void> => {
      await insert(database, event).catch((cause: unknown) => {
        throw new PulsegateError('AUDIT_UNAVAILABLE', 'the audit trail does not take the event', { cause })
      })
    }
    const record = (event: AuditEvent): void => {
      const written = recordNow(event).catch(() => {}).finally(() => { pending.delete(written) })
      pending.add(written)
    }
    try {
      return await work(database, { record, recordNow })
    } finally {
      await Promise.all(pending)
    }
  })
}

async function insert (database: Database, event: AuditEvent): Promise<void> {
  const { type, subtype, action, outcome, reason, purpose, agent, entity, requestId, detail } = event
  await database.query(`INSERT INTO audit (action, type, subtype, outcome, reason, agent, agent_role, source_version, entity_type, entity, request_id, detail)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)`,
  [action, type, subtype, outcome, reason ?? null, agent.id, agent.role, version, entity?.type ?? null, entity?.id ?? null, requestId ?? null, JSON.stringify({ ...detail, purpose })])
}
