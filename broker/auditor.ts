// Tells the audit trail what happens at the broker, without turning a storm of refusals into a storm of audit rows: per reason a few
// events a second one by one, the rest as one event with its count every five seconds. Costs the hot path nothing: a message
// that is taken is never told, and AuditTrail.record neither blocks nor throws.
import { type AuditEvent, type AuditTrail } from '../runtime/audit.ts'
import { acceptedEvent, mergeEvents, refusalEvent, type Party } from './audit-events.ts'
import { type RefusalFields, type RefusalReason } from './refusals.ts'
import { Storm } from './storm.ts'

const foldMs = 5_000
const refusalsPerSecond = 20 // of one reason
const acceptedPerSecond = 1_000 // more than one process can take in
/** The ban itself has been told as a security event; each attempt against it only counts. */
const banned: ReadonlySet<RefusalReason> = new Set<RefusalReason>(['flapping', 'address-banned'])

export class Auditor {
  readonly #trail: AuditTrail
  readonly #storm = new Storm<AuditEvent>(foldMs, mergeEvents)

  constructor (trail: AuditTrail) {
    this.#trail = trail
  }

  refused (reason: RefusalReason, fields: RefusalFields): void {
    this.#tell(reason, refusalEvent(reason, fields), banned.has(reason) ? 0 : refusalsPerSecond)
  }

  accepted (party: Party): void { this.#tell('accepted', acceptedEvent(party), acceptedPerSecond) }

  /** Security events are told once each by those who find them; here they are only kept from becoming a storm. */
  security (event: AuditEvent): void { this.#tell(`security ${event.subtype}`, event, refusalsPerSecond) }

  /** Called a few times a second. */
  tick (nowMs: number): void { this.#folded(nowMs, false) }

  /** Tells what is still gathered. */
  close (): void { this.#folded(Date.now(), true) }

  #tell (key: string, event: AuditEvent, perSecond: number): void {
    const nowMs = Date.now()
    if (this.#storm.take(key, event, perSecond, nowMs)) this.#trail.record({ ...event, atMs: nowMs })
  }

  #folded (nowMs: number, all: boolean): void {
    for (const { event, count, firstMs, lastMs } of this.#storm.due(nowMs, all)) {
      this.#trail.record({ ...event, count, atMs: firstMs, detail: { ...event.detail, untilMs: lastMs } })
    }
  }
}
