// What a simulated fleet and a database have to do with each other: before, its pairings must be known; after, what the devices
// hold as acknowledged must be what is stored, message by message and row by row.
import { type Database, openDatabase } from '../ingest/database.ts'
import { balanceOf, type RowBalance, storedCounts, storedMessages } from '../ingest/evidence.ts'
import { createRegistry, type DeviceRegistry } from '../ingest/registry.ts'
import { quietObservability } from '../runtime/observability.ts'
import { type Fleet } from '../simulator/fleet.ts'
import { compareLedger, type Comparison } from '../simulator/ledger-compare.ts'
import { type Simulator } from '../simulator/simulator.ts'

export interface Proof {
  readonly comparison: Comparison
  /** Of the fleet's devices. */
  readonly balance: RowBalance
}

/** Does everything agree? */
export function agrees ({ comparison, balance }: Proof): boolean {
  return comparison.agrees && balance.rowsMissing === 0 && balance.rowsBeyond === 0
}

/** Registers the fleet and its pairings, from an hour back: a recording played fast lies in the past. */
export async function prepareFleet (registry: DeviceRegistry, { devices, pairings }: Fleet): Promise<void> {
  await registry.register(devices.map(({ id, kind, model }) => ({ id, kind, model })))
  for (const { gateway, sensor } of pairings) await registry.pair(gateway, sensor, Date.now() - 3_600_000)
}

/** Ledger against database; with `sinceMs` only for boots that began then or later. */
export async function prove (database: Database, simulator: Simulator, sinceMs = 0): Promise<Proof> {
  const ids = simulator.fleet.devices.map(({ id }) => id)
  const comparison = await compareLedger(simulator.ledger.entries({ sinceMs }), storedMessages(database, ids, sinceMs), simulator.outstanding())
  return { comparison, balance: balanceOf(await storedCounts(database, ids)) }
}

/** The hooks of `pulsegate simulate --database-url`: the same against a database that somebody else's Pulsegate writes to. */
export const simulateHooks = {
  prepare: (fleet: Fleet, databaseUrl: string): Promise<void> => withDatabase(databaseUrl, (database) =>
    prepareFleet(createRegistry(database, { enrolment: 'active' }, quietObservability()), fleet)),
  compare: (simulator: Simulator, databaseUrl: string): Promise<Comparison> => withDatabase(databaseUrl, async (database) => {
    const proof = await prove(database, simulator)
    return { ...proof.comparison, agrees: agrees(proof) }
  })
}

async function withDatabase<T> (url: string, act: (database: Database) => Promise<T>): Promise<T> {
  const database = openDatabase(url, { applicationName: 'pulsegate simulate', poolSize: 1 })
  try {
    return await act(database)
  } finally {
    await database.close()
  }
}
