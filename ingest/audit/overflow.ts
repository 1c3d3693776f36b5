// What did not fit while the database was away: counted by (type, subtype, outcome, reason), told as one event each when it is back.
import { type AuditAgent, type AuditEvent } from '../../runtime/audit.ts'
import { kindOf } from './storms.ts'

interface Count { readonly event: AuditEvent, count: number, readonly firstAtMs: number, lastAtMs: number }

const maxKinds = 1_000 // then the reason is left out; types and subtypes are a fixed list

export class Overflow {
  /** In all, since the start. */
  total = 0
  #counts = new Map<string, Count>()

  get pending (): boolean { return this.#counts.size > 0 }

  add (event: AuditEvent, nowMs: number): void {
    const { reason: _, ...without } = event
    const told = this.#counts.size < maxKinds || this.#counts.has(kindOf(event)) ? event : without as AuditEvent
    const times = event.count ?? 1
    this.total += times
    const known = this.#counts.get(kindOf(told))
    if (known === undefined) this.#counts.set(kindOf(told), { event: told, count: times, firstAtMs: nowMs, lastAtMs: nowMs })
    else {
      known.count += times
      known.lastAtMs = nowMs
    }
  }

  /** One event for each kind; forgotten afterwards. */
  take (agent: AuditAgent): AuditEvent[] {
    const counts = [...this.#counts.values()]
    this.#counts = new Map()
    return counts.map(({ event: { type, subtype, outcome, reason = null }, count, firstAtMs, lastAtMs }) => ({
      type: 'audit',
      subtype: 'overflow',
      action: 'C',
      outcome: 'serious-failure',
      reason: 'more events than may wait came while the database was away',
      agent,
      count,
      detail: { type, subtype, outcome, reason, firstAtMs, lastAtMs }
    }))
  }
}
