// The gauge of what is in quarantine now, by reason. The worker's counters say what went in; only the table knows what is still
// there. Counted when `refresh` is called, by an index alone; a scrape reads the last count. A count that fails leaves the last one standing.
import { type Meter } from '../runtime/observability.ts'
import { type Database } from './database.ts'

export interface QuarantineGauge {
  /** Counts; gives the sum. */
  readonly refresh: () => Promise<number>
  readonly close: () => void
}

export function createQuarantineGauge (database: Database, meter: Meter): QuarantineGauge {
  const counts = new Map<string, number>()
  const gauge = meter.createObservableGauge('pulsegate_quarantine_rows', { description: 'Messages in quarantine now, not replayed, by reason' })
  const observe: Parameters<typeof gauge.addCallback>[0] = (result) => {
    for (const [reason, count] of counts) result.observe(count, { reason })
  }
  gauge.addCallback(observe)
  return {
    async refresh () {
      const { rows } = await database.query<{ reason: string, messages: string }>('SELECT reason, messages FROM quarantine_by_reason()')
      // a reason that was there once goes to 0: a series that ends says nothing
      for (const reason of counts.keys()) counts.set(reason, 0)
      for (const { reason, messages } of rows) counts.set(reason, Number(messages))
      return [...counts.values()].reduce((sum, count) => sum + count, 0)
    },
    close: () => { gauge.removeCallback(observe) }
  }
}
