// Looks into the audit trail: newest first, by what an auditor asks for.
import { type Database } from '../database.ts'
import { aboutCondition } from './about.ts'

export interface AuditFilter {
  readonly type?: string
  /** Id of who did it, or of what it was done to. */
  readonly agent?: string
  readonly entity?: string
  /** Id that the event names anywhere: as either of these, or in its detail. */
  readonly about?: string
  readonly sinceMs?: number
  readonly untilMs?: number
  /** Only numbers below it: the next page. */
  readonly before?: number
  readonly limit: number
}

export interface AuditRow {
  readonly number: number
  readonly recorded: Date
  readonly type: string
  readonly subtype: string
  readonly action: string
  readonly outcome: string
  readonly reason: string | null
  readonly purpose: string | null
  readonly agent: string
  readonly agentRole: string
  readonly agentAddress: string | null
  readonly certificateIssuer: string | null
  readonly certificateSerial: string | null
  readonly sourceNode: string
  readonly sourceVersion: string
  readonly entityType: string | null
  readonly entity: string | null
  readonly entityTenant: string | null
  readonly requestId: string | null
  readonly count: number
  readonly detail: Readonly<Record<string, unknown>> | null
}

/** Through the view, so that an auditor's login may. */
export async function listTrail (database: Database, filter: AuditFilter): Promise<AuditRow[]> {
  const { type, agent, entity, about, sinceMs, untilMs, before, limit } = filter
  const values: unknown[] = []
  const conditions = ([['type =', type], ['agent =', agent], ['entity =', entity], ['recorded >=', dateOf(sinceMs)], ['recorded <', dateOf(untilMs)], ['number <', before]] as const)
    .flatMap(([condition, value]) => value === undefined ? [] : [`${condition} $${values.push(value)}`])
  if (about !== undefined) conditions.push(aboutCondition(`$${values.push(about)}`))
  const { rows } = await database.query<Omit<AuditRow, 'number' | 'count'> & { number: string, count: string }>(`
    SELECT number, recorded, type, subtype, action, outcome, reason, purpose, agent, agent_role AS "agentRole", agent_address AS "agentAddress",
      certificate_issuer AS "certificateIssuer", certificate_serial AS "certificateSerial", source_node AS "sourceNode",
      source_version AS "sourceVersion", entity_type AS "entityType", entity, entity_tenant AS "entityTenant", request_id AS "requestId",
      count, detail
    FROM audit_trail ${conditions.length === 0 ? '' : `WHERE ${conditions.join(' AND ')}`}
    ORDER BY number DESC LIMIT $${values.push(limit)}`, values)
  return rows.map((row) => ({ ...row, number: Number(row.number), count: Number(row.count) }))
}

function dateOf (ms: number | undefined): Date | undefined { return ms === undefined ? undefined : new Date(ms) }
