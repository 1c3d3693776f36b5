// Watches the clock of this machine: messages are stamped by it, and devices without a clock are placed by it. Compares the wall clock
// with the monotonic one; when they part by more than slewing can, somebody has stepped the clock (or the machine slept), and that is
// counted, logged and told to the audit trail. Gives a function that ends it.
import { hostname } from 'node:os'
import { type AuditTrail, silentTrail } from '../runtime/audit.ts'
import { type Observability } from '../runtime/observability.ts'
import { registryAgent } from './registry-events.ts'
import { securityCounter } from './security-events.ts'

export interface ClockWatchOptions {
  readonly observability: Observability
  readonly audit?: AuditTrail
  /** How often the clocks are compared; default 1 s. */
  readonly everyMs?: number
  /** ms since 1970, and ms that only grow; a test has its own. */
  readonly wall?: () => number
  readonly monotonic?: () => number
}

// NTP slews by half a ms a second at the most
const toleranceMs = 2_000

export function startClockWatch ({ observability, audit = silentTrail, everyMs = 1_000, wall = Date.now, monotonic = () => performance.now() }: ClockWatchOptions): () => void {
  const { log } = observability
  const counter = securityCounter(observability)
  const offset = (): number => wall() - monotonic()
  let before = offset()
  const timer = setInterval(() => {
    const now = offset()
    const byMs = Math.round(now - before)
    before = now
    if (Math.abs(byMs) < toleranceMs) return
    counter.add(1, { event: 'clock-step' })
    log.warn({ event: 'clock-step', byMs }, 'the clock of this machine was stepped, or the machine slept')
    audit.record({
      type: 'security', subtype: 'clock-step', action: 'E', outcome: 'minor-failure', reason: 'server', agent: registryAgent, entity: { type: 'machine', id: hostname() }, detail: { byMs }
    })
  }, everyMs)
  timer.unref()
  return () => { clearInterval(timer) }
}
