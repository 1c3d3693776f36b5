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
  held: Held | null
}

interface Held {
  count: number
  readonly firstAtMs: number
  last: { readonly event: AuditEvent, readonly atMs: number }
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
  #holding = 0

  constructor (limits: StormLimits) { this.#limits = limits }

  /** Whether `due` has something to give, now or when its second is over. */
  get pending (): boolean { return this.#holding > 0 }

  /** Whether the event may pass; otherwise it is counted and comes with `due`. */
  pass (event: AuditEvent, nowMs: number): boolean {
    if (!types.has(event.type)) return true
    const window = this.#window(kindOf(event), nowMs)
    if (window === null) return true
    const { failuresPerS, successesPerS } = this.#limits
    if (window.passed < (event.outcome === 'success' ? successesPerS : failuresPerS)) {
      window.passed++
      return true
    }
    this.#hold(window, event, nowMs)
    return false
  }

  #hold (window: Window, event: AuditEvent, nowMs: number): void {
    if (window.held === null) {
      window.held = { count: 0, firstAtMs: window.startMs, last: { event, atMs: nowMs }, agents: new Set() }
      this.#holding++
    }
    const { held } = window
    held.count += event.count ?? 1
    held.last = { event, atMs: nowMs }
    if (held.agents.size < maxAgents) held.agents.add(event.agent.id)
  }

  #window (kind: string, nowMs: number): Window | null {
    const known = this.#windows.get(kind)
    // one that is over and still holds something is only closed by `due`
    if (known !== undefined && (known.held !== null || !isOver(known, nowMs))) return known
    if (known === undefined && this.#windows.size >= maxWindows) this.#forget(nowMs)
    if (known === undefined && this.#windows.size >= maxWindows) return null
    const window = { startMs: nowMs, passed: 0, held: null }
    this.#windows.set(kind, window)
    return window
  }

  #forget (nowMs: number): void {
    for (const [kind, window] of this.#windows) {
      if (window.held === null && isOver(window, nowMs)) this.#windows.delete(kind)
    }
  }

  /** Sums of the seconds that are over; of all when `all`, without a new second beginning by that. */
  due (nowMs: number, all = false): AuditEvent[] {
    const sums: AuditEvent[] = []
    for (const [kind, window] of this.#windows) {
      const { held } = window
      const over = isOver(window, nowMs)
      if (over) this.#windows.delete(kind)
      if (held === null || !(over || all)) continue
      window.held = null
      this.#holding--
      sums.push(sumOf(held))
    }
    return sums
  }
}

function isOver ({ startMs }: Window, nowMs: number): boolean { return nowMs - startMs >= windowMs }

/** Who it was is told when it was one; the last one's particulars would be wrong for the others. */
function sumOf ({ count, firstAtMs, last, agents }: Held): AuditEvent {
  const { type, subtype, action, outcome, reason, agent } = last.event
  return {
    type,
    subtype,
    action,
    outcome,
    ...(reason !== undefined && { reason }),
    agent: agents.size === 1 ? agent : { id: '(several)', role: agent.role },
    count,
    detail: { agents: agents.size, firstAtMs, lastAtMs: last.atMs },
    atMs: last.atMs
  } as AuditEvent
}
