// A storm of the same is written as few rows: of (type, subtype, outcome, reason) so many a second pass one by one, the rest of that second
// becomes one event with a count. Only of kinds that a device can cause at will; what a person did is never summed up.
import { type AuditEvent } from '../../runtime/audit.ts'

export interface StormLimits {
  /** Refusals and failures of one kind that pass one by one in a second. */
  readonly failuresPerS: number
  readonly successesPerS: number
}

interface Window {
  readonly startMs: number
  passed: number
  held: number
  readonly last: { event: AuditEvent, atMs: number }
  readonly agents: Set<string>
}

const windowMs = 1_000
const types = new Set<AuditEvent['type']>(['connection', 'authorization', 'security', 'admin'])
const maxAgents = 1_000 // counted exactly up to here
const maxWindows = 1_000 // reasons are words of ours, so there are few

export function kindOf ({ type, subtype, outcome, reason = '' }: AuditEvent): string {
  return `${type} ${subtype} ${outcome} ${reason}`
}

export class Storms {
  readonly #limits: StormLimits
  readonly #windows = new Map<string, Window>()

  constructor (limits: StormLimits) { this.#limits = limits }

  /** Whether `due` must be asked again. */
  get open (): boolean { return this.#windows.size > 0 }

  /** Whether the event may pass; otherwise it is counted and comes with `due`. */
  pass (event: AuditEvent, nowMs: number): boolean {
    if (!types.has(event.type)) return true
    const kind = kindOf(event)
    const window = this.#windows.get(kind) ?? this.#open(kind, event, nowMs)
    if (window === null) return true
    const { failuresPerS, successesPerS } = this.#limits
    if (window.passed < (event.outcome === 'success' ? successesPerS : failuresPerS)) {
      window.passed++
      return true
    }
    window.held += event.count ?? 1
    window.last.event = event
    window.last.atMs = nowMs
    if (window.agents.size < maxAgents) window.agents.add(event.agent.id)
    return false
  }

  #open (kind: string, event: AuditEvent, nowMs: number): Window | null {
    if (this.#windows.size >= maxWindows) return null
    const window = { startMs: nowMs, passed: 0, held: 0, last: { event, atMs: nowMs }, agents: new Set<string>() }
    this.#windows.set(kind, window)
    return window
  }

  /** Sums of the windows that are over; of all of them when `all`. */
  due (nowMs: number, all = false): AuditEvent[] {
    const sums: AuditEvent[] = []
    for (const [kind, window] of this.#windows) {
      if (!all && nowMs - window.startMs < windowMs) continue
      this.#windows.delete(kind)
      if (window.held > 0) sums.push(sumOf(window))
    }
    return sums
  }
}

/** Who it was is told when it was one; the last one's particulars would be wrong for the others. */
function sumOf ({ startMs, held, last, agents }: Window): AuditEvent {
  const { type, subtype, action, outcome, reason, agent } = last.event
  return {
    type,
    subtype,
    action,
    outcome,
    ...(reason !== undefined && { reason }),
    agent: agents.size === 1 ? agent : { id: '(several)', role: agent.role },
    count: held,
    detail: { agents: agents.size, firstAtMs: startMs, lastAtMs: last.atMs },
    atMs: last.atMs
  } as AuditEvent
}
