// What a simulated fleet and a database have to do with each other: before, its pairings must be known; after, what the devices
// hold as acknowledged must be what is stored, message by message and row by row.
import { type Database } from '../ingest/database.ts'
import { balanceOf, type RowBalance, type StoredCounts, storedCounts, storedMessages } from '../ingest/evidence.ts'
import { type DeviceRegistry } from '../ingest/registry.ts'
import { type Fleet } from '../simulator/fleet.ts'
import { compareLedger, type Comparison } from '../simulator/ledger-compare.ts'
import { type Simulator } from '../simulator/simulator.ts'

export interface Evidence {
  readonly comparison: Comparison
  /** Of the fleet's devices. */
  readonly balance: RowBalance
  /** Receipts of the fleet's devices, as the database counts them. */
  readonly receipts: number
}

/** Does everything agree? */
export function agrees ({ comparison, balance }: Pick<Evidence, 'comparison' | 'balance'>): boolean {
  return comparison.agrees && balance.rowsMissing === 0 && balance.rowsBeyond === 0
}

/** Registers the fleet and its pairings, from an hour back: a recording played fast lies in the past. */
export async function prepareFleet (registry: DeviceRegistry, { devices, pairings }: Fleet): Promise<void> {
  await registry.register(devices.map(({ id, kind, model }) => ({ id, kind, model })))
  for (const { gateway, sensor } of pairings) await registry.pair(gateway, sensor, Date.now() - 3_600_000)
}

/** Ledger against database; with `sinceMs` only for boots that began then or later. */
export async function prove (database: Database, simulator: Simulator, sinceMs = 0): Promise<Evidence> {
  const ids = simulator.fleet.devices.map(({ id }) => id)
  const comparison = await compareLedger(simulator.ledger.entries({ sinceMs }), storedMessages(database, ids, sinceMs), simulator.outstanding())
  const counts = await storedCounts(database, ids)
  return { comparison, balance: balanceOf(counts), receipts: messagesOf(counts) }
}

/** The evidence of several simulators that share a database, as one. Pure. */
export function joinEvidence (all: readonly Evidence[]): Evidence {
  const sum = (pick: (evidence: Evidence) => number): number => all.reduce((total, evidence) => total + pick(evidence), 0)
  const of = (name: Exclude<keyof Comparison, 'agrees' | 'examples'>): number => sum(({ comparison }) => comparison[name])
  return {
    comparison: {
      agrees: all.every(({ comparison }) => comparison.agrees),
      acknowledged: of('acknowledged'),
      stored: of('stored'),
      quarantined: of('quarantined'),
      missing: of('missing'),
      duplicates: of('duplicates'),
      different: of('different'),
      unacknowledged: of('unacknowledged'),
      unexpected: of('unexpected'),
      samples: of('samples'),
      waves: of('waves'),
      examples: all.flatMap(({ comparison }) => comparison.examples)
    },
    balance: { rowsMissing: sum(({ balance }) => balance.rowsMissing), rowsBeyond: sum(({ balance }) => balance.rowsBeyond), rowsErased: sum(({ balance }) => balance.rowsErased) },
    receipts: sum(({ receipts }) => receipts)
  }
}

function messagesOf (counts: readonly StoredCounts[]): number {
  return counts.reduce((sum, { messages }) => sum + messages, 0)
}
