// What the quarantine commands tell the audit trail: who looked at which messages, or sent them again; never what is in them.
import { type Command } from 'commander'
import { type Selection } from '../ingest/quarantine-filter.ts'
import { type AuditEvent } from '../runtime/audit.ts'
import { operatorAgent, purposeOf } from './actor.ts'

type Detail = NonNullable<AuditEvent['detail']>

/** Listing and counting, viewing one, replaying many. `id`: the one message it is about. */
export function quarantineEvent (command: Command, subtype: 'listed' | 'viewed' | 'replayed', detail: Detail, id?: number): AuditEvent {
  return {
    type: 'quarantine',
    subtype,
    action: subtype === 'replayed' ? 'E' : 'R',
    outcome: 'success',
    agent: operatorAgent(),
    ...purposeOf(command),
    ...(id !== undefined && { entity: { type: 'quarantine', id: String(id) } }),
    ...(Object.keys(detail).length > 0 && { detail })
  }
}

/** Which messages, as they were asked for: all of it is words of ours, ids and times. */
export function selectionDetail (selection: Selection): Detail {
  return 'ids' in selection ? { ids: selection.ids.join(' '), selected: selection.ids.length } : filterDetail(selection.filter)
}

export function filterDetail (filter: object): Detail {
  return Object.fromEntries(Object.entries(filter).map(([key, value]) => [key, typeof value === 'number' || typeof value === 'boolean' ? value : String(value)]))
}
