// What the audit trail tells of itself: events by what became of them, how many wait, and how far behind the trail is.
import { type BatchObservableCallback } from '@opentelemetry/api'
import { type Meter } from '../../runtime/observability.ts'

export type AuditOutcome = 'written' | 'aggregated' | 'overflow' | 'spilled' | 'lost'

export class AuditCounters {
  readonly #totals: Record<AuditOutcome, number> = { written: 0, aggregated: 0, overflow: 0, spilled: 0, lost: 0 }
  readonly close: () => void

  constructor (meter: Meter, look: () => { waiting: number, lagMs: number }) {
    const events = meter.createObservableCounter('pulsegate_audit_events_total', { description: 'Audit events by what became of them' })
    const waiting = meter.createObservableGauge('pulsegate_audit_waiting', { description: 'Audit events that are not in the database yet' })
    const lag = meter.createObservableGauge('pulsegate_audit_lag_seconds', { description: 'How long the oldest of them has been waiting', unit: 's' })
    const all = [events, waiting, lag]
    const observe: BatchObservableCallback = (result) => {
      for (const [outcome, count] of Object.entries(this.#totals)) result.observe(events, count, { outcome })
      const now = look()
      result.observe(waiting, now.waiting)
      result.observe(lag, now.lagMs / 1_000)
    }
    meter.addBatchObservableCallback(observe, all)
    this.close = () => { meter.removeBatchObservableCallback(observe, all) }
  }

  add (outcome: AuditOutcome, count: number): void { this.#totals[outcome] += count }
}
