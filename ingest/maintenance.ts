// The upkeep of the database on a timer: rollups of the minutes that batches have marked, partitions for tomorrow,
// retention, and the count of what is in quarantine. The work itself is in SQL functions (schemas/sql/0004) with their owner's rights and under advisory locks, so
// any number of workers may run this. A failure is logged and tried again at the next turn; it never reaches the hot path.
import { setTimeout as delay } from 'node:timers/promises'
import { orAborted } from '../runtime/abort.ts'
import { type AuditTrail, silentTrail } from '../runtime/audit.ts'
import { type Observability } from '../runtime/observability.ts'
import { type Database } from './database.ts'
import { createQuarantineGauge } from './quarantine-gauge.ts'
import { createRetentionCheck } from './retention-check.ts'

export interface MaintenanceOptions {
  /** Its statement timeout bounds one step; 60 s or more is right. */
  readonly database: Database
  readonly observability: Observability
  /** Days of samples, waves, receipts and quarantine that are kept, 1 … 3,650. */
  readonly retentionDays: number
  /** Told of what retention drops, and of what it has left. */
  readonly audit?: AuditTrail
  /** Rollups are at most this much behind, plus the time they take; default 15,000 ms. */
  readonly rollupEveryMs?: number
  /** Partitions ahead and retention; default one hour. */
  readonly retainEveryMs?: number
  /** How old the gauge of quarantine may be; default 30,000 ms. */
  readonly countEveryMs?: number
}

export interface Maintenance {
  /** Rolls up everything marked so far; gives the number of device-minutes done. */
  rollUp (): Promise<number>
  /**
   * Makes tomorrow's partitions, drops the days past retention and the keys that sealed them, and counts what is left of them; gives how
   * many partitions or chunks were dropped. What came back to an erased time goes again.
   */
  retain (): Promise<number>
  /** Counts what is in quarantine, for the gauge; gives the sum. */
  countQuarantine (): Promise<number>
  /** Ends the timers and waits for the step that is running, at most until `hard` aborts. */
  close (hard?: AbortSignal): Promise<void>
}

// one call stays far below the statement timeout: 200 batches of 1,000 devices are some seconds of work
const marksPerCall = 200

export function startMaintenance (options: MaintenanceOptions): Maintenance {
  const { database, observability, retentionDays, audit = silentTrail, rollupEveryMs = 15_000, retainEveryMs = 3_600_000, countEveryMs = 30_000 } = options
  const stopping = new AbortController()
  const { log, meter } = observability
  const minutes = meter.createCounter('pulsegate_rollup_minutes_total', { description: 'Device-minutes whose rollups were recomputed' })
  const dropped = meter.createCounter('pulsegate_retention_dropped_total', { description: 'Partitions or chunks dropped by retention' })

  // one step at a time, so that a caller's step does not find the timer's at it and return empty-handed
  let last: Promise<unknown> = Promise.resolve()
  function inTurn (step: () => Promise<number>): Promise<number> {
    const turn = last.then(step, step)
    last = turn
    return turn
  }

  async function rollUp (): Promise<number> {
    let total = 0
    for (;;) {
      // null: another worker is at it
      const { rows } = await database.query<{ done: string | null }>('SELECT roll_up($1) AS done', [marksPerCall])
      const done = Number(rows[0]?.done ?? 0)
      total += done
      if (done === 0 || stopping.signal.aborted) break
    }
    minutes.add(total)
    return total
  }

  async function retain (): Promise<number> {
    await database.query("SELECT ensure_partitions(now(), now() + INTERVAL '1 day')")
    const { rows } = await database.query<{ dropped: number }>('SELECT retain(make_interval(days => $1)) AS dropped', [retentionDays])
    const count = rows[0]?.dropped ?? 0
    dropped.add(count)
    if (count > 0) log.info({ dropped: count, retentionDays }, 'old days dropped')
    // one that fails each time must not keep keys from being destroyed, nor anybody from seeing what is overdue
    const erasing = await database.query('SELECT erase_again()').then(() => null, (error: unknown) => ({ error }))
    const { rows: [keys] } = await database.query<{ destroyed: number }>('SELECT retain_keys(make_interval(days => $1)) AS destroyed', [retentionDays])
    await retention.check(count, keys?.destroyed ?? 0)
    if (erasing !== null) throw erasing.error
    return count
  }

  const retention = createRetentionCheck({ database, observability, audit, retentionDays })
  const quarantine = createQuarantineGauge(database, meter)
  const loops = [
    repeat('rollup', () => inTurn(rollUp), rollupEveryMs),
    repeat('retention', () => inTurn(retain), retainEveryMs),
    repeat('quarantine count', () => inTurn(quarantine.refresh), countEveryMs)
  ]

  async function repeat (name: string, step: () => Promise<number>, everyMs: number): Promise<void> {
    while (!stopping.signal.aborted) {
      await step().catch((error: unknown) => {
        if (stopping.signal.aborted) return
        log.warn({ step: name, code: (error as { code?: string }).code, error: (error as Error).message }, 'database upkeep failed; tried again later')
      })
      await delay(everyMs, undefined, { signal: stopping.signal, ref: false }).catch(() => {})
    }
  }

  return {
    rollUp: () => inTurn(rollUp),
    retain: () => inTurn(retain),
    countQuarantine: () => inTurn(quarantine.refresh),
    async close (hard) {
      stopping.abort()
      await (hard === undefined ? Promise.all(loops) : orAborted(Promise.all(loops), hard).catch(() => {}))
      quarantine.close()
      retention.close()
    }
  }
}
