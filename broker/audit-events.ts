// What the broker writes down for auditors, as pure functions: a refusal, an accepted connection or a security event becomes an
// event of runtime/audit.ts. Who it was is told as far as it is known; of a message never more than that it was refused.
import { type AuditAgent, type AuditEvent } from '../runtime/audit.ts'
import { refusals, type RefusalFields, type RefusalReason } from './refusals.ts'

/** Who is at the other end of a connection, as far as it is known. */
export interface Party {
  /** Device id; from a certificate that was refused only what it claims. */
  readonly device?: string | undefined
  readonly address?: string | undefined
  /** Of the certificate, upper-case hex. */
  readonly serial?: string | undefined
  /** The issuer's name. */
  readonly issuer?: string | undefined
}

/** What the broker itself calls a security event. */
export type SecurityEvent = 'clone' | 'flapping' | 'authentication-failures'

/** Faults on our side: the device did nothing wrong. */
const ours: ReadonlySet<RefusalReason> = new Set<RefusalReason>(['not-stored', 'crl-unusable', 'registry-unavailable', 'takeover-timeout', 'handshake-busy'])
/** Ends of a session that are as they should be. */
const ordinary: ReadonlySet<RefusalReason> = new Set<RefusalReason>(['displaced', 'disconnected', 'draining'])
/** Ends of a connection at stage publish that are no question of rights. */
const notRights: ReadonlySet<RefusalReason> = new Set<RefusalReason>(['not-stored', 'malformed-publish'])

/** One refusal. At stage publish and session the connection has ended with it. */
export function refusalEvent (reason: RefusalReason, fields: RefusalFields): AuditEvent {
  const { stage } = refusals[reason]
  const denied = (stage === 'publish' || stage === 'subscribe') && !notRights.has(reason)
  const ended = !denied && (stage === 'publish' || stage === 'session' || fields.session === true)
  const event = {
    action: 'E' as const,
    outcome: ours.has(reason) ? 'serious-failure' as const : ordinary.has(reason) ? 'success' as const : 'minor-failure' as const,
    reason,
    agent: agentOf(fields),
    detail: { stage, ...detailOf(fields) }
  }
  return denied
    ? { type: 'authorization', subtype: 'denied', ...event }
    : { type: 'connection', subtype: ended ? 'ended' : 'refused', ...event }
}

/** CONNACK 0 has gone out. */
export function acceptedEvent (party: Party): AuditEvent {
  return { type: 'connection', subtype: 'accepted', action: 'E', outcome: 'success', agent: agentOf(party) }
}

export function securityEvent (subtype: SecurityEvent, party: Party, detail: Readonly<Record<string, string | number>>): AuditEvent {
  return { type: 'security', subtype, action: 'E', outcome: 'serious-failure', agent: agentOf(party), detail }
}

/** The one event that stands for both, when a storm is folded: what they have in common. */
export function mergeEvents (a: AuditEvent, b: AuditEvent): AuditEvent {
  if (sameAgent(a.agent, b.agent)) return a
  const common = { ...(a.agent.address !== undefined && a.agent.address === b.agent.address && { address: a.agent.address }) }
  return { ...a, agent: { id: a.agent.id === b.agent.id ? a.agent.id : 'several', role: a.agent.role, ...common } }
}

function sameAgent (a: AuditAgent, b: AuditAgent): boolean {
  return a.id === b.id && a.address === b.address && a.certificateSerial === b.certificateSerial
}

function agentOf ({ device, address, serial, issuer }: Party): AuditAgent {
  return {
    id: device ?? 'unknown',
    role: 'device',
    ...(address !== undefined && { address }),
    ...(issuer !== undefined && { certificateIssuer: issuer }),
    ...(serial !== undefined && { certificateSerial: serial })
  }
}

function detailOf ({ openssl, claimed, by, level, packet }: RefusalFields): Record<string, string | number | boolean> {
  return {
    ...(openssl !== undefined && { openssl }),
    ...(claimed === true && { claimed }),
    ...(by !== undefined && { by }),
    ...(level !== undefined && { level }),
    ...(packet !== undefined && { packet })
  }
}
