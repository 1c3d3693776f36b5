// The database of a command, like open-database.ts, and an audit log on it.
import { type Command } from 'commander'
import { type Database } from '../ingest/database.ts'
import { type AuditEvent, type AuditLog } from '../runtime/audit.ts'
import { addPurposeOption } from './actor.ts'
import { addDatabaseOptions, withDatabase } from './open-database.ts'

/** Adds the flags that `withAudited` reads, and --purpose. */
export function addAuditedOptions (command: Command): Command {
  return addPurposeOption(addDatabaseOptions(command))
}

export async function withAudited<T> (command: Command, work: (database: Database, audit: AuditLog) => Promise<T>): Promise<T> {
  return withDatabase(command, async (database) => {
    const told: Array<Promise<void>> = []
    const recordNow = (event: AuditEvent): Promise<void> => insert(database, event)
    try {
      return await work(database, { recordNow, record (event) { told.push(recordNow(event).catch(() => {})) } })
    } finally {
      await Promise.all(told)
    }
  })
}

async function insert (database: Database, { type, subtype, action, outcome, reason, agent, entity, detail, purpose }: AuditEvent): Promise<void> {
  await database.query(`INSERT INTO audit (type, subtype, action, outcome, reason, agent, agent_role, entity_type, entity, detail)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`,
  [type, subtype, action, outcome, reason ?? null, agent.id, agent.role, entity?.type ?? null, entity?.id ?? null, JSON.stringify({ ...detail, ...(purpose !== undefined && { purpose }) })])
}
