// The database of a command, like open-database.ts, and an audit log on it: what the command does there is written before it ends.
import { type Command } from 'commander'
import { type Database } from '../ingest/database.ts'
import { type AuditEvent, type AuditLog } from '../runtime/audit.ts'
import { addPurposeOption } from './actor.ts'
import { addDatabaseOptions, withDatabase } from './open-database.ts'

/** Adds the flags that `withAudited` reads, and --purpose. */
export function addAuditedOptions (command: Command): Command {
  return addPurposeOption(addDatabaseOptions(command))
}

/** Runs `work` on the database that `command` names, with an audit log whose events are committed before this resolves. */
export async function withAudited<T> (command: Command, work: (database: Database, audit: AuditLog) => Promise<T>): Promise<T> {
  return withDatabase(command, async (database) => {
    const recordNow = async ({ type, subtype, action, outcome, reason, purpose, agent, entity, detail }: AuditEvent): Promise<void> => {
      await database.query(`
        INSERT INTO audit (action, type, subtype, outcome, reason, agent, agent_role, entity_type, entity, detail)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`,
      [action, type, subtype, outcome, reason ?? null, agent.id, agent.role, entity?.type ?? null, entity?.id ?? null, { ...detail, ...(purpose !== undefined && { purpose }) }])
    }
    const pending: Array<Promise<void>> = []
    const audit: AuditLog = { recordNow, record (event) { pending.push(recordNow(event).catch(() => {})) } }
    try {
      return await work(database, audit)
    } finally {
      await Promise.all(pending)
    }
  })
}
