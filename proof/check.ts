// The judgement: from the facts of a scenario to a list of checks, each with what was seen and what is allowed. Pure, so that every
// check is tried by a test in both of its outcomes. A scenario is green when all of its checks hold.
import { type Facts, lostOf } from './facts.ts'
import { describeFault } from './fault.ts'

export interface Check {
  /** One word or two, stable: a negative control names the check that must be red. */
  readonly name: string
  readonly ok: boolean
  readonly value: string
  readonly bound: string
}

/** What a scenario allows beyond the rule. */
export interface Allowance {
  /** Acknowledged messages may be lost as long as completeness() reports each of them. */
  readonly reportedLoss?: boolean
  /** Reasons for which messages may be in quarantine; default: none. */
  readonly quarantine?: readonly string[]
  /** Counters of brokers and workers must agree to the message: no fault that makes a message be read or written twice. */
  readonly exactCounters?: boolean
  /** Parts that may die by themselves (by their first letters), as on a full disk; default: none. */
  readonly deaths?: readonly string[]
}

/** Resident memory a process may reach. A broker holds at most 64 MB of payloads beside what Node itself takes. */
export const memoryBoundBytes = { broker: 384 * 1_048_576, worker: 384 * 1_048_576 } as const
/** Entries a stream may keep that every group has acknowledged: trimming goes by whole nodes of a stream. */
export const streamLengthBound = 200
/** Without load nothing is shown: as many acknowledged messages as this there must be. */
export const leastLoad = 100

export function commonChecks (facts: Facts, allowance: Allowance = {}): Check[] {
  return [
    load(facts),
    faults(facts),
    rest(facts),
    deaths(facts, allowance.deaths ?? []),
    lost(facts, allowance.reportedLoss === true),
    none('doubled', facts.comparison.duplicates + facts.balance.rowsBeyond),
    none('different', facts.comparison.different + facts.balance.rowsMissing),
    none('unexpected', facts.comparison.unexpected),
    quarantined(facts, allowance.quarantine ?? []),
    deviceSums(facts),
    databaseSums(facts),
    ...counterSums(facts, allowance),
    pending(facts),
    trimmed(facts),
    ...memory(facts)
  ]
}

export function load ({ devices }: Facts): Check {
  return { name: 'load', ok: devices.acknowledged >= leastLoad, value: `${devices.acknowledged} acknowledged`, bound: `≥ ${leastLoad}` }
}

/** A fault that did not happen has shown nothing. */
function faults ({ faults }: Facts): Check {
  const missed = faults.filter(({ happened }) => !happened)
  const value = missed.length === 0 ? `${faults.length} of ${faults.length} happened` : `did not happen: ${missed.map(({ fault }) => describeFault(fault)).join('; ')}`
  return { name: 'faults', ok: missed.length === 0, value, bound: 'all' }
}

function rest ({ rest }: Facts): Check {
  const value = rest.reached ? `${(rest.tookMs / 1_000).toFixed(1)} s` : `not at rest: ${rest.unrest.join('; ')}`
  return { name: 'rest', ok: rest.reached, value, bound: `≤ ${(rest.deadlineMs / 1_000).toFixed(0)} s` }
}

/** Nothing may end because something else did. */
function deaths ({ deaths }: Facts, allowed: readonly string[]): Check {
  const wrong = Object.keys(deaths).filter((part) => !allowed.some((name) => part.startsWith(name)))
  const value = Object.entries(deaths).map(([part, count]) => `${part} ${count} times`).join(', ') || 'none'
  return { name: 'deaths', ok: wrong.length === 0, value, bound: allowed.length === 0 ? 'none by itself' : `only ${allowed.join(', ')}` }
}

function lost (facts: Facts, reportedLoss: boolean): Check {
  if (!reportedLoss) return none('lost', lostOf(facts))
  const { comparison, losses: { lost, reported } } = facts
  return {
    name: 'lost',
    // two ways of counting, one by rows and one by ranges, must agree as well
    ok: reported === lost && lost === comparison.missing,
    value: `${comparison.missing} lost, ${reported} of them reported as gaps`,
    bound: 'every one reported by completeness()'
  }
}

function quarantined ({ quarantined }: Facts, allowed: readonly string[]): Check {
  const wrong = Object.keys(quarantined).filter((reason) => !allowed.includes(reason))
  const value = Object.entries(quarantined).map(([reason, count]) => `${count} ${reason}`).join(', ') || 'none'
  return { name: 'quarantined', ok: wrong.length === 0, value, bound: allowed.length === 0 ? 'none' : `only ${allowed.join(', ')}` }
}

function deviceSums ({ devices: { made, acknowledged, outstanding, dropped } }: Facts): Check {
  return {
    name: 'device sums',
    ok: made === acknowledged + outstanding + dropped && dropped === 0,
    value: `made ${made} = acknowledged ${acknowledged} + outstanding ${outstanding} + dropped ${dropped}`,
    bound: 'equal, none dropped'
  }
}

/** Receipts as the database counts them, against the devices' account: neither side asks the other. */
function databaseSums ({ receipts, comparison, devices }: Facts): Check {
  const kept = receipts + comparison.quarantined
  const owed = devices.acknowledged - comparison.missing + comparison.unacknowledged
  return {
    name: 'stored sums',
    ok: kept === owed,
    value: `receipts ${receipts} + quarantined ${comparison.quarantined} = ${kept}; acknowledged ${devices.acknowledged}${comparison.missing > 0 ? ` − lost ${comparison.missing}` : ''}${comparison.unacknowledged > 0 ? ` + unanswered ${comparison.unacknowledged}` : ''} = ${owed}`,
    bound: 'equal'
  }
}

/** Only where every broker and worker lived through the run: elsewhere their counters began again. */
function counterSums ({ counters, receipts, comparison }: Facts, { exactCounters: exact = false, reportedLoss = false }: Allowance): Check[] {
  if (counters === null) return []
  const { received, refused, stored, duplicate, quarantined } = counters
  const lost = reportedLoss ? comparison.missing : 0
  const settled = stored + duplicate + quarantined + refused + lost
  return [
    {
      name: 'broker sums',
      // a message whose write or acknowledgement was repeated is settled more than once, never less
      ok: exact ? received === settled : received <= settled,
      value: `received ${received}; stored ${stored} + duplicate ${duplicate} + quarantined ${quarantined} + refused ${refused}${lost > 0 ? ` + lost ${lost}` : ''} = ${settled}`,
      bound: exact ? 'equal' : 'received ≤ settled'
    },
    {
      name: 'worker sums',
      // a COMMIT whose answer was lost is counted as duplicate when it is tried again
      ok: exact ? stored === receipts : stored <= receipts && receipts <= stored + duplicate,
      value: `receipts ${receipts}; counted as stored ${stored}, as duplicate ${duplicate}`,
      bound: exact ? 'receipts = stored' : 'stored ≤ receipts ≤ stored + duplicate'
    }
  ]
}

function pending ({ streams }: Facts): Check {
  const unacknowledged = streams.reduce((sum, { pending }) => sum + pending, 0)
  const unread = streams.reduce((sum, { unread }) => sum + (unread ?? 1), 0)
  return {
    name: 'pending',
    ok: streams.length > 0 && unacknowledged === 0 && unread === 0,
    value: `${unacknowledged} unacknowledged, ${unread} unread in ${streams.length} streams`,
    bound: '0'
  }
}

function trimmed ({ streams }: Facts): Check {
  const longest = Math.max(0, ...streams.map(({ length }) => length))
  return { name: 'trimmed', ok: longest <= streamLengthBound, value: `longest stream ${longest}`, bound: `≤ ${streamLengthBound}` }
}

function memory ({ memory }: Facts): Check[] {
  return (['broker', 'worker'] as const).map((kind) => {
    const peak = peakBytes(memory, kind)
    return { name: `${kind} memory`, ok: peak > 0 && peak <= memoryBoundBytes[kind], value: megabytes(peak), bound: `≤ ${megabytes(memoryBoundBytes[kind])}` }
  })
}

/** The most that any process of a kind took; 0 when none was measured. */
export function peakBytes (memory: Facts['memory'], kind: string): number {
  return Math.max(0, ...memory.filter(({ part }) => part.startsWith(kind)).map(({ peakBytes }) => peakBytes))
}

export function none (name: string, count: number): Check {
  return { name, ok: count === 0, value: String(count), bound: '0' }
}

function megabytes (bytes: number): string { return `${Math.round(bytes / 1_048_576)} MB` }
