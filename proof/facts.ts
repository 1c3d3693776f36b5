// What was seen of a scenario once everything was healed and at rest: plain values, so that what is judged (check.ts) can be
// judged again from the report, and tested with made-up ones.
import { type RowBalance } from '../ingest/evidence.ts'
import { type Comparison } from '../simulator/ledger-compare.ts'
import { type DoneFault } from './fault.ts'
import { type Losses } from './gaps.ts'

/** The simulated devices' own account. */
export interface DeviceFacts {
  readonly made: number
  readonly acknowledged: number
  readonly outstanding: number
  readonly dropped: number
  readonly resent: number
  /** Acknowledged only after having been sent again. */
  readonly recovered: number
  readonly mostDisconnections: number
}

/** A partition's stream, at the end. */
export interface StreamFacts {
  readonly partition: number
  /** Read by a worker, not acknowledged. */
  readonly pending: number
  /** Never read; null: Redis cannot say, and it is not empty. */
  readonly unread: number | null
  /** Entries in the stream, acknowledged ones included. */
  readonly length: number
}

/** Counters of the processes themselves, summed over brokers and workers. */
export interface CounterFacts {
  readonly received: number
  readonly refused: number
  readonly stored: number
  readonly duplicate: number
  readonly quarantined: number
}

export interface MemoryFacts { readonly part: string, readonly peakBytes: number }

export interface RestFacts {
  /** Everything acknowledged, read and stored; nothing pending. */
  readonly reached: boolean
  /** From the end of healing to rest, or to the deadline. */
  readonly tookMs: number
  readonly deadlineMs: number
  /** What had not come to rest by the deadline. */
  readonly unrest: readonly string[]
}

/** How fast a backlog was worked off while devices went on sending. */
export interface CatchUpFacts {
  readonly arrivedPerS: number
  readonly storedPerS: number
  /** Entries that waited when the database was back. */
  readonly backlog: number
}

export interface Facts {
  readonly devices: DeviceFacts
  readonly comparison: Comparison
  readonly balance: RowBalance
  /** Receipts of the fleet's devices, counted by the database. */
  readonly receipts: number
  /** Messages in quarantine, by reason. */
  readonly quarantined: Readonly<Record<string, number>>
  /** Of these, messages whose header nobody has read: they have their bytes and a reason, but no identity to compare by. */
  readonly unreadable: number
  readonly losses: Losses
  readonly streams: readonly StreamFacts[]
  /** Null when a broker or worker was started anew: its counters began again at 0. */
  readonly counters: CounterFacts | null
  readonly memory: readonly MemoryFacts[]
  readonly rest: RestFacts
  readonly faults: readonly DoneFault[]
  /** Processes that ended though nobody had ordered it, by part. */
  readonly deaths: Readonly<Record<string, number>>
  readonly catchUp: CatchUpFacts | null
  /** Of the servers it ran on. */
  readonly versions: Readonly<Record<string, string>>
  /** What a scenario measured for its own checks, by name. */
  readonly measured: Readonly<Record<string, number>>
  /** What a scenario saw beyond these, in a sentence each. */
  readonly notes: readonly string[]
}

/** Acknowledged, neither stored nor in quarantine. One in quarantine without a header is the missing one of its number. */
export function lostOf ({ comparison, unreadable }: Pick<Facts, 'comparison' | 'unreadable'>): number {
  return Math.max(0, comparison.missing - unreadable)
}
