// What the audit trail is told of the registry: one event a change, with the device or the subject (its pseudonym) as its entity. Pure.
import { type AuditAgent, type AuditEvent } from '../runtime/audit.ts'
import { type DeviceState } from '../schemas/device.ts'
import { type HeldPeriod } from './registry-periods.ts'

export type DeviceEvent = Extract<AuditEvent, { type: 'device' }>

/** A device as far as an event names it. */
export interface NamedDevice { readonly id: string, readonly tenant?: string | null }

/** `begins`: it ends where it begins, so it is taken back. */
export type EndedPeriod = Pick<HeldPeriod, 'holder' | 'from' | 'until' | 'begins'>

/** What the program does by itself, on behalf of nobody in particular. */
export const registryAgent: AuditAgent = { id: 'pulsegate', role: 'service' }

type Fields = Pick<DeviceEvent, 'subtype' | 'action' | 'detail' | 'agent'> & { readonly entity: NonNullable<DeviceEvent['entity']> }

const event = (fields: Fields): DeviceEvent => ({ type: 'device', outcome: 'success', ...fields })

function deviceEntity ({ id, tenant }: NamedDevice): Fields['entity'] {
  return { type: 'device', id, ...(typeof tenant === 'string' && { tenant }) }
}

export function registered (agent: AuditAgent, device: NamedDevice, state: DeviceState): DeviceEvent {
  return event({ subtype: 'registered', action: 'C', agent, entity: deviceEntity(device), detail: { state } })
}

/** So many unknown devices were not registered, because too many came in a minute. */
export function registrationsRefused (count: number): DeviceEvent {
  return { type: 'device', subtype: 'registered', action: 'C', outcome: 'minor-failure', reason: 'registration-limited', agent: registryAgent, count }
}

export function stateChanged (agent: AuditAgent, device: NamedDevice, { from, to, forced }: { from: DeviceState | null, to: DeviceState, forced: boolean }): DeviceEvent {
  return event({ subtype: 'state-changed', action: 'U', agent, entity: deviceEntity(device), detail: { from, to, ...(forced && { forced }) } })
}

export function paired (agent: AuditAgent, sensor: NamedDevice, { gateway, fromMs, instead }: { gateway: string, fromMs: number, instead: string | null }): DeviceEvent {
  return event({ subtype: 'paired', action: 'C', agent, entity: deviceEntity(sensor), detail: { gateway, from: timeOf(fromMs), ...(instead !== null && { instead }) } })
}

/** `held`: as it was before. */
export function unpaired (agent: AuditAgent, sensor: NamedDevice, held: EndedPeriod, atMs: number): DeviceEvent {
  return event({ subtype: 'unpaired', action: held.begins ? 'D' : 'U', agent, entity: deviceEntity(sensor), detail: { gateway: held.holder, ...endDetail(held, atMs) } })
}

export function assigned (agent: AuditAgent, device: NamedDevice, { subject, fromMs, untilMs }: { subject: string, fromMs: number, untilMs: number | null }): DeviceEvent {
  return event({ subtype: 'assigned', action: 'C', agent, entity: subjectEntity(subject, device), detail: { device: device.id, from: timeOf(fromMs), ...(untilMs !== null && { until: timeOf(untilMs) }) } })
}

/** `held`: as it was before. */
export function unassigned (agent: AuditAgent, device: NamedDevice, held: EndedPeriod, atMs: number): DeviceEvent {
  return event({ subtype: 'unassigned', action: held.begins ? 'D' : 'U', agent, entity: subjectEntity(held.holder, device), detail: { device: device.id, ...endDetail(held, atMs) } })
}

/** What was asked for and not done: the event that it would have been, as far as it is known. */
export function refusedChange (asked: DeviceEvent, reason: string): DeviceEvent {
  return { ...asked, outcome: 'minor-failure', reason }
}

/** An end was asked for where nothing is that could end: neither gateway nor subject is known. */
export function nothingToEnd (agent: AuditAgent, device: NamedDevice, subtype: 'unpaired' | 'unassigned', atMs: number): DeviceEvent {
  return event({ subtype, action: 'U', agent, entity: deviceEntity(device), detail: { at: timeOf(atMs) } })
}

/** The end that is now and the end that was; null: none was given. */
function endDetail ({ from, until }: EndedPeriod, atMs: number): NonNullable<Fields['detail']> {
  return { from: from?.toISOString() ?? null, at: timeOf(atMs), untilBefore: until?.toISOString() ?? null }
}

function subjectEntity (id: string, { tenant }: NamedDevice): Fields['entity'] {
  return { type: 'subject', id, ...(typeof tenant === 'string' && { tenant }) }
}

function timeOf (ms: number): string { return new Date(ms).toISOString() }
