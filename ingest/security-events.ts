// Security events of the worker: each is counted for the metrics; the log and the audit trail are told of the first one of a kind and a
// device at once, and of those within a minute after it together with the next. Memory is bounded: least recently told devices go first.
import { type Counter } from '@opentelemetry/api'
import { LRUCache } from 'lru-cache'
import { type AuditAgent, type AuditEvent, type AuditTrail } from '../runtime/audit.ts'
import { type Logger, type Observability } from '../runtime/observability.ts'

type SecurityEvent = Extract<AuditEvent, { type: 'security' }>

export interface Occurrence {
  readonly event: 'seq-regression' | 'clock-step'
  readonly reason: string
  readonly agent: AuditAgent
  /** Id of the device concerned. */
  readonly device: string
  readonly detail: NonNullable<SecurityEvent['detail']>
}

interface Told { readonly atMs: number, held: number, last: Occurrence }

const quietMs = 60_000
const maxDevices = 10_000

const meanings = {
  'seq-regression': 'the seqs of a boot went backwards, or one was used twice: two may speak with one voice',
  'clock-step': 'the clock of a device was stepped'
} as const

/** One counter for all parts of a process: the same name and description make it the same instrument. */
export function securityCounter ({ meter }: Pick<Observability, 'meter'>): Counter {
  return meter.createCounter('pulsegate_security_events', { description: 'Security events by kind; docs/security/audit.md says what each means' })
}

export class SecurityEvents {
  readonly #audit: AuditTrail
  readonly #log: Logger
  readonly #counter: Counter
  readonly #now: () => number
  readonly #told = new LRUCache<string, Told>({ max: maxDevices, dispose: (told) => { this.#tellHeld(told) } })

  constructor (audit: AuditTrail, { log, meter }: Pick<Observability, 'log' | 'meter'>, now: () => number = () => performance.now()) {
    this.#audit = audit
    this.#log = log
    this.#counter = securityCounter({ meter })
    this.#now = now
  }

  tell (occurrence: Occurrence): void {
    const { event, device } = occurrence
    this.#counter.add(1, { event })
    const key = `${event} ${device}`
    const atMs = this.#now()
    const told = this.#told.get(key)
    if (told !== undefined && atMs - told.atMs < quietMs) {
      told.held++
      told.last = occurrence
      return
    }
    const held = told?.held ?? 0
    if (told !== undefined) told.held = 0 // they go with this one
    this.#told.set(key, { atMs, held: 0, last: occurrence })
    this.#write(occurrence, held + 1)
  }

  /** Tells what was held back. */
  close (): void { this.#told.clear() }

  #tellHeld ({ held, last }: Told): void {
    if (held > 0) this.#write(last, held)
  }

  #write ({ event, reason, agent, device, detail }: Occurrence, count: number): void {
    this.#log.warn({ event, reason, device, publisher: agent.id, count, ...detail }, meanings[event])
    this.#audit.record({
      type: 'security',
      subtype: event,
      action: 'E',
      outcome: event === 'clock-step' ? 'minor-failure' : 'serious-failure',
      reason,
      agent,
      entity: { type: 'device', id: device },
      ...(count > 1 && { count }),
      detail
    })
  }
}
