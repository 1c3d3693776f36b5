// Retention proves itself: after each run, what is older than it allows is counted in every table. The numbers are a gauge, a warning
// when they are not zero, and an event of the audit trail. Takes a database whose login may call retention_overdue (schemas/sql/0013, 0017).
import { type Observability } from '../runtime/observability.ts'
import { type AuditTrail } from '../runtime/audit.ts'
import { type Database } from './database.ts'

export interface RetentionCheck {
  /** Counts, and tells; gives how many rows are overdue in all tables together. What the run before took away: partitions, and data keys. */
  check (dropped: number, keysDestroyed: number): Promise<number>
  close (): void
}

export interface RetentionCheckOptions {
  readonly database: Pick<Database, 'query'>
  readonly observability: Observability
  readonly audit: AuditTrail
  readonly retentionDays: number
}

// a run that dropped nothing and found nothing is told once a day
const quietMs = 24 * 3_600_000

export function createRetentionCheck ({ database, observability: { meter, log }, audit, retentionDays }: RetentionCheckOptions): RetentionCheck {
  let counted: Readonly<Record<string, number>> = {}
  let toldMs = -Infinity
  const gauge = meter.createObservableGauge('pulsegate_retention_overdue', { description: 'Rows older than retention allows, by table, after its last run: not zero is a fault' })
  const observe: Parameters<typeof gauge.addCallback>[0] = (result) => {
    for (const [table, rows] of Object.entries(counted)) result.observe(rows, { table })
  }
  gauge.addCallback(observe)
  return {
    async check (dropped, keysDestroyed) {
      const { rows } = await database.query<{ name: string, overdue: string }>("SELECT name, overdue FROM retention_overdue(make_interval(days => $1)) UNION ALL SELECT 'data_key', keys_overdue(make_interval(days => $1))", [retentionDays])
      counted = Object.fromEntries(rows.map(({ name, overdue }) => [name, Number(overdue)]))
      const total = Object.values(counted).reduce((sum, n) => sum + n, 0)
      if (total > 0) log.warn({ overdue: counted, retentionDays }, 'rows older than retention allows are still there; tried again at the next run')
      if (dropped + keysDestroyed === 0 && total === 0 && performance.now() - toldMs < quietMs) return total
      toldMs = performance.now()
      audit.record({
        type: 'data',
        subtype: 'retention',
        action: 'D',
        outcome: total === 0 ? 'success' : 'minor-failure',
        ...(total > 0 && { reason: 'overdue' }),
        agent: { id: 'pulsegate maintenance', role: 'service' },
        detail: { days: retentionDays, dropped, keysDestroyed, overdue: total, ...Object.fromEntries(Object.entries(counted).map(([table, n]) => [`overdue_${table}`, n])) }
      })
      return total
    },
    close () { gauge.removeCallback(observe) }
  }
}
