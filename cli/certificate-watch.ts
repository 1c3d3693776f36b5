// Speaks up in time: /readyz, a metric, the log and the audit trail say when certificates and revocation lists that the broker, or
// administration, works with are about to end. Past the broker's the process is not ready: it would refuse every device.
import { type CredentialEnd } from '../broker/broker.ts'
import { type AuditTrail } from '../runtime/audit.ts'
import { type CheckResult, type Health } from '../runtime/health.ts'
import { type Logger, type Meter } from '../runtime/observability.ts'
import { type Audience, devices, faultOfEnd, stateOfEnd } from './certificate-ends.ts'

export interface CertificateWatch {
  readonly ends: () => readonly CredentialEnd[]
  /** Why what is on disk could not be taken; null when it was. */
  readonly fault: () => string | null
  /** Default: devices. */
  readonly audience?: Audience
  readonly health: Health
  readonly meter: Meter
  readonly log: Logger
  readonly audit: AuditTrail
  readonly nowMs?: () => number
}

const lookEveryMs = 60_000
const dayMs = 86_400_000

/** Starts; gives what ends it. */
export function watchCertificates (watch: CertificateWatch): () => void {
  const { ends, fault, audience = devices, health, meter, nowMs = Date.now } = watch
  const of = `${audience.who}s`
  const unregister = health.register(audience.who === 'device' ? 'certificates' : 'administration', () => checkOf(ends(), fault(), nowMs(), audience))
  const until = meter.createObservableGauge('pulsegate_certificate_expires_seconds', { description: 'When a certificate or revocation list in use ends, seconds since 1970' })
  const failed = meter.createObservableGauge('pulsegate_certificate_reload_failed', { description: '1 while the files on disk cannot be taken and those from before stay in use' })
  const observe: Parameters<Meter['addBatchObservableCallback']>[0] = (result) => {
    for (const { what, name, untilMs } of ends()) if (untilMs !== Infinity) result.observe(until, Math.floor(untilMs / 1_000), { of, what, name })
    result.observe(failed, fault() === null ? 0 : 1, { of })
  }
  meter.addBatchObservableCallback(observe, [until, failed])
  const teller = createTeller(watch)
  teller()
  const timer = setInterval(teller, lookEveryMs).unref()
  return () => {
    clearInterval(timer)
    meter.removeBatchObservableCallback(observe, [until, failed])
    unregister()
  }
}

/** Not ready past an end that is vital; ready with a reason before one, and while what is on disk cannot be taken. */
export function checkOf (ends: readonly CredentialEnd[], fault: string | null, nowMs: number, audience = devices): CheckResult {
  const over = ends.find((end) => ['ended', 'not-begun'].includes(stateOfEnd(end, nowMs)))
  if (over !== undefined && audience.vital) return { ready: false, reason: faultOfEnd(over, nowMs, audience) ?? '' }
  const without = ends.length === 0 ? `no ${audience.who} can connect` : 'goes on with the certificates from before'
  const reasons = [...fault === null ? [] : [`${without}: ${fault}`], ...ends.flatMap((end) => faultOfEnd(end, nowMs, audience) ?? [])]
  return reasons.length === 0 ? { ready: true } : { ready: true, reason: reasons.join(' | ') }
}

/** Tells log and audit trail of each that is about to end, once a day. */
function createTeller ({ ends, audience, log, audit, nowMs = Date.now }: CertificateWatch): () => void {
  const toldMs = new Map<string, number>()
  return () => {
    const now = nowMs()
    for (const end of ends()) {
      const fault = faultOfEnd(end, now, audience)
      const { what, name, untilMs } = end
      const key = `${what} ${name} ${untilMs}`
      if (fault === null || now - (toldMs.get(key) ?? -Infinity) < dayMs) continue
      toldMs.set(key, now)
      log.warn({ what, name, until: new Date(untilMs).toISOString() }, fault)
      audit.record({
        type: 'security',
        subtype: 'certificate-expiring',
        action: 'E',
        outcome: stateOfEnd(end, now) === 'ending' ? 'minor-failure' : 'serious-failure',
        reason: stateOfEnd(end, now),
        agent: { id: 'pulsegate', role: 'service' },
        entity: { type: 'certificate', id: name },
        detail: { what, file: end.file, until: new Date(untilMs).toISOString() }
      })
    }
    // those that were renewed meanwhile
    const living = new Set(ends().map(({ what, name, untilMs }) => `${what} ${name} ${untilMs}`))
    for (const key of toldMs.keys()) if (!living.has(key)) toldMs.delete(key)
  }
}
