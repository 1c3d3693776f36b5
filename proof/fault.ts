// A fault as data: what is done, to which part or link, and for how long. Data, not code, so that a schedule can be drawn from
// a seed, printed, kept in the report and compared with the one of another run.
import { type FailPoint } from '../runtime/fail-points.ts'

/** What a proxy can do to the connections of a link; `cut` is an instant, the others last. */
export const linkFaults = ['cut', 'refuse', 'delay', 'drop-replies', 'half-open', 'reset-mid-frame', 'throttle'] as const
export type LinkFault = typeof linkFaults[number]

export type Fault =
  /** kill −9, and started again after `forMs`. */
  | { readonly kind: 'kill', readonly target: string, readonly forMs: number }
  /** SIGSTOP, and SIGCONT after `forMs`. */
  | { readonly kind: 'freeze', readonly target: string, readonly forMs: number }
  | { readonly kind: 'link', readonly target: string, readonly how: LinkFault, readonly forMs: number }
  /**
   * Started anew, armed at `point` for its `hit`-th passing; there it dies or freezes. `forMs` later it is started again
   * unarmed, or goes on.
   */
  | { readonly kind: 'fail-point', readonly target: string, readonly point: FailPoint, readonly hit: number, readonly action: 'kill' | 'stop', readonly forMs: number }

/** A fault and its moment, ms after the load is up. */
export interface PlannedFault { readonly atMs: number, readonly fault: Fault }

/** A fault that was done: when it really began and ended, and whether it happened at all. */
export interface DoneFault extends PlannedFault {
  readonly endedAtMs: number
  /** False: a fail point that was not passed in time, so nothing was proven by it. */
  readonly happened: boolean
}

// The proxy holds every chunk back by this; several round trips make a statement take a second.
export const linkDelayMs = 250
export const linkThrottleBytesPerS = 1_000

/** `2.4 s  kill worker-1, for 1.3 s`. */
export function describePlanned ({ atMs, fault }: PlannedFault): string {
  return `${seconds(atMs).padStart(7)}  ${describeFault(fault)}`
}

export function describeFault (fault: Fault): string {
  const time = `for ${seconds(fault.forMs)}`
  switch (fault.kind) {
    case 'kill': return `kill −9 ${fault.target}, down ${time}`
    case 'freeze': return `freeze ${fault.target} ${time}`
    case 'link': return fault.how === 'cut' ? `cut ${fault.target}` : `${fault.target}: ${fault.how} ${time}`
    case 'fail-point': return `${fault.target} ${fault.action === 'kill' ? 'dies' : 'freezes'} ${fault.point} (passing ${fault.hit}), ${time}`
  }
}

function seconds (ms: number): string { return `${(ms / 1_000).toFixed(1)} s` }
