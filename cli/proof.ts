// The hooks of `pulsegate simulate --database-url`: its fleet made known to, and its ledger compared with, a database that
// somebody else's Pulsegate writes to.
import { type Database, openDatabase } from '../ingest/database.ts'
import { createRegistry } from '../ingest/registry.ts'
import { agrees, prepareFleet, prove } from '../proof/evidence.ts'
import { quietObservability } from '../runtime/observability.ts'
import { type SimulateHooks } from './simulate.ts'

export { agrees, prepareFleet, prove } from '../proof/evidence.ts'

export const simulateHooks: SimulateHooks = {
  prepare: (fleet, databaseUrl) => withDatabase(databaseUrl, (database) =>
    prepareFleet(createRegistry(database, { enrolment: 'active' }, quietObservability()), fleet)),
  compare: (simulator, databaseUrl) => withDatabase(databaseUrl, async (database) => {
    const evidence = await prove(database, simulator)
    return { ...evidence.comparison, agrees: agrees(evidence) }
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
