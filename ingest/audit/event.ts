// An audit event as it is hashed and stored: takes what a part told, gives a flat object of bounded, well-formed texts and finite numbers.
// Whatever a device or a person managed to get into a text (NUL, half a surrogate pair, a megabyte), the row can be stored.
import { randomUUID } from 'node:crypto'
import { type AuditAgent, type AuditEntity, type AuditEvent } from '../../runtime/audit.ts'
import { type AuditSource } from '../../runtime/audit-source.ts'
import { canonicalJson, type JsonObject } from './canonical.ts'

/** An event that has its id, and lacks only its number. */
export interface StampedEvent {
  /** UUID; the same event told twice is stored once. */
  readonly id: string
  readonly fields: JsonObject
}

// ids stand in an index, whose entries PostgreSQL bounds at 2,704 bytes
const maxIdChars = 200
const maxWordsChars = 500
const maxDetails = 32
const maxTimeMs = 7_258_118_400_000 // the year 2200: up to there float8 seconds, which PostgreSQL computes with, hold a microsecond

/** `event` with an id, a time and where it comes from. */
export function stamp (event: AuditEvent, source: AuditSource, id: string = randomUUID()): StampedEvent {
  const { type, subtype, action, outcome, agent, entity, count, detail } = event
  const fields = {
    id,
    atMs: timeOf(event.atMs),
    type,
    subtype,
    action,
    outcome,
    reason: words(event.reason),
    purpose: words(event.purpose),
    agent: agentFields(agent),
    entity: entity && entityFields(entity),
    requestId: short(event.requestId),
    count: count !== undefined && Number.isSafeInteger(count) && count > 1 ? count : undefined,
    detail: detail && details(detail),
    source: { node: bounded(source.node, maxIdChars), version: bounded(source.version, maxIdChars) }
  }
  return { id, fields }
}

/** The text that is hashed: canonical JSON of the event and its number. */
export function textOf ({ fields }: StampedEvent, number: number): string {
  return canonicalJson({ ...fields, number })
}

function timeOf (atMs: number | undefined): number {
  return atMs !== undefined && Number.isSafeInteger(atMs) && atMs >= 0 && atMs <= maxTimeMs ? atMs : Date.now()
}

function agentFields ({ id, role, address, certificateIssuer, certificateSerial }: AuditAgent): JsonObject {
  return {
    id: bounded(id, maxIdChars),
    role,
    address: short(address),
    certificateIssuer: short(certificateIssuer),
    certificateSerial: short(certificateSerial)
  }
}

function entityFields ({ type, id, tenant }: AuditEntity): JsonObject {
  return { type: bounded(type, maxIdChars), id: bounded(id, maxIdChars), tenant: short(tenant) }
}

function details (detail: NonNullable<AuditEvent['detail']>): JsonObject {
  return Object.fromEntries(Object.entries(detail).slice(0, maxDetails).map(([key, value]) => [bounded(key, maxIdChars), plain(value)]))
}

function plain (value: string | number | boolean | null): string | number | boolean | null {
  if (typeof value === 'string') return bounded(value, maxWordsChars)
  // what JSON has no word for, and what a spool file may hold though the type forbids it
  return typeof value === 'object' || (typeof value === 'number' && !Number.isFinite(value)) ? null : value
}

const short = (text: string | undefined): string | undefined => text === undefined ? undefined : bounded(text, maxIdChars)
const words = (text: string | undefined): string | undefined => text === undefined ? undefined : bounded(text, maxWordsChars)

/** At most `chars` UTF-16 code units, without what PostgreSQL's jsonb refuses. */
function bounded (text: string, chars: number): string {
  const cut = text.length > chars ? `${text.slice(0, chars - 1)}…` : text
  return cut.replace(/\0|\p{Surrogate}/gu, '\ufffd')
}
