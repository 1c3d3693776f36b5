// What is told of an enrolment: to the audit trail and as metrics. Takes outcomes, never a token, key or request.
import { type X509Certificate } from 'node:crypto'
import { type AuditAgent, type AuditTrail } from '../../runtime/audit.ts'
import { type Meter } from '../../runtime/observability.ts'
import { type Enrolled } from './enrol.ts'

export interface Caller {
  readonly address: string
  readonly certificate: X509Certificate | undefined
  readonly requestId: string
  /** Which device its certificate proves it to be, good for what it asks or not; absent or null: none. */
  readonly provenId?: string | null
}

export interface Recorder {
  answered (operation: string, status: number): void
  enrolled (caller: Caller, enrolled: Enrolled): void
  /** `reason`: our own word for it. `claimedId`: what the caller says it is, when that is a device id. */
  refused (caller: Caller, operation: string, reason: string, claimedId: string | null): void
  handshakeFailed (code: string): void
}

export function createRecorder (audit: AuditTrail, meter: Meter): Recorder {
  const requests = meter.createCounter('pulsegate_est_requests', { description: 'Requests answered, by operation and status' })
  const issued = meter.createCounter('pulsegate_est_certificates', { description: 'Certificates issued over EST, by what entitled to them' })
  const refusals = meter.createCounter('pulsegate_est_refused', { description: 'Enrolments and renewals refused, by reason' })
  const handshakes = meter.createCounter('pulsegate_est_handshakes_failed', { description: 'TLS handshakes that failed or were not let in' })
  return {
    answered (operation, status) { requests.add(1, { operation, status }) },
    enrolled (caller, { id, by, serial, notAfterMs, token }) {
      issued.add(1, { by })
      const agent = agentOf(caller, id)
      const { requestId } = caller
      if (token !== undefined) audit.record({ type: 'certificate', subtype: 'token-used', action: 'U', outcome: 'success', agent, requestId, entity: { type: 'token', id: token } })
      audit.record({
        type: 'certificate',
        subtype: by === 'renewal' ? 'renewed' : 'issued',
        action: 'C',
        outcome: 'success',
        agent,
        requestId,
        entity: { type: 'certificate', id: serial },
        detail: { device: id, by, notAfter: new Date(notAfterMs).toISOString() }
      })
    },
    refused (caller, operation, reason, claimedId) {
      // faults of certificates are OpenSSL's words and ours: few, and fit for a label
      refusals.add(1, { operation, reason })
      audit.record({
        type: 'certificate',
        subtype: 'enrolment-refused',
        action: 'C',
        outcome: 'minor-failure',
        reason,
        requestId: caller.requestId,
        agent: agentOf(caller, caller.provenId ?? 'unknown'),
        ...(typeof caller.provenId === 'string' && { entity: { type: 'device', id: caller.provenId } }),
        detail: { operation, claims: claimedId }
      })
    },
    handshakeFailed (code) { handshakes.add(1, { code }) }
  }
}

function agentOf ({ address, certificate }: Caller, id: string): AuditAgent {
  return {
    id,
    role: 'device',
    address,
    ...(certificate && { certificateSerial: certificate.serialNumber, certificateIssuer: certificate.issuer.replaceAll('\n', ', ') })
  }
}
