// Security events of the broker: each is counted for the metrics, logged, and told to the audit trail.
import { type Logger, type Meter } from '../runtime/observability.ts'
import { securityEvent, type Party, type SecurityEvent } from './audit-events.ts'
import { type Auditor } from './auditor.ts'

const meanings: Readonly<Record<SecurityEvent, string>> = {
  clone: 'two clients use one identity',
  flapping: 'a device is kept out for a while: it came and was thrown out again and again',
  'authentication-failures': 'too many failed to show who they are from one address; it is kept out or slowed down for a while'
}

export class SecurityEvents {
  readonly #auditor: Auditor
  readonly #log: Logger
  readonly #counter: ReturnType<Meter['createCounter']>
  readonly #counts = new Map<SecurityEvent, number>()

  constructor (auditor: Auditor, { log, meter }: { log: Logger, meter: Meter }) {
    this.#auditor = auditor
    this.#log = log
    this.#counter = meter.createCounter('pulsegate_security_events', { description: 'Security events by kind; docs/security/audit.md says what each means' })
  }

  tell (event: SecurityEvent, party: Party, detail: Readonly<Record<string, string | number>>): void {
    this.#counts.set(event, (this.#counts.get(event) ?? 0) + 1)
    this.#counter.add(1, { event })
    this.#log.warn({ event, device: party.device, address: party.address, ...detail }, meanings[event])
    this.#auditor.security(securityEvent(event, party, detail))
  }

  /** Events that never happened are absent. */
  all (): Record<string, number> { return Object.fromEntries(this.#counts) }
}
