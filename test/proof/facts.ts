// Facts of a scenario in which everything was well; a test changes what it is about.
import { type Facts } from '../../proof/facts.ts'

export function goodFacts (changes: Partial<Facts> = {}): Facts {
  return {
    devices: { made: 1_000, acknowledged: 1_000, outstanding: 0, dropped: 0, resent: 12, recovered: 9, mostDisconnections: 1 },
    comparison: {
      agrees: true, acknowledged: 1_000, stored: 1_000, quarantined: 0, missing: 0, duplicates: 0, different: 0, unacknowledged: 0, unexpected: 0, samples: 3_000, waves: 500, examples: []
    },
    balance: { rowsMissing: 0, rowsBeyond: 0, rowsErased: 0 },
    receipts: 1_000,
    quarantined: {},
    unreadable: 0,
    losses: { lost: 0, reported: 0, unreported: [] },
    streams: [{ partition: 0, pending: 0, unread: 0, length: 3 }, { partition: 1, pending: 0, unread: 0, length: 0 }],
    counters: { received: 1_012, refused: 0, stored: 1_000, duplicate: 12, quarantined: 0 },
    memory: [{ part: 'broker-1', peakBytes: 100e6 }, { part: 'broker-2', peakBytes: 110e6 }, { part: 'worker-1', peakBytes: 120e6 }],
    rest: { reached: true, tookMs: 1_500, deadlineMs: 120_000, unrest: [] },
    faults: [{ atMs: 1_000, endedAtMs: 2_000, happened: true, fault: { kind: 'kill', target: 'worker-1', forMs: 1_000 } }],
    deaths: {},
    catchUp: null,
    versions: {},
    measured: {},
    notes: [],
    ...changes
  }
}

/** The comparison of good facts, changed. */
export function comparison (changes: Partial<Facts['comparison']>): Facts['comparison'] {
  return { ...goodFacts().comparison, ...changes }
}
