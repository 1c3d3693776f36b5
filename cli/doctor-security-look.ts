// A look into the database for doctor: opened, asked, closed. A table that is not made yet is fine, a login that may not read it is not:
// what could not be looked at is said.
import { openDatabase, type Database } from '../ingest/database.ts'
import { sqlStateOf } from '../ingest/sqlstate.ts'
import { type Finding } from './doctor-finding.ts'

const undefinedTable = '42P01'
const insufficientPrivilege = '42501'

/** Nothing without a database. Other errors than these two are thrown. */
export async function lookInto (name: string, databaseUrl: string | undefined, look: (database: Database) => Promise<Finding[]>): Promise<Finding[]> {
  if (databaseUrl === undefined) return []
  const database = openDatabase(databaseUrl, { applicationName: 'pulsegate doctor', poolSize: 1, statementTimeoutMs: 10_000 })
  try {
    return await look(database)
  } catch (error) {
    const code = sqlStateOf(error)
    if (code === undefinedTable) return [{ name, status: 'ok', detail: 'not made yet' }]
    if (code !== insufficientPrivilege) throw error
    return [{ name, status: 'warn', detail: 'not looked at: this login may not read it', todo: "run doctor with the owner's login, or with one that is in pulsegate_ingest and pulsegate_auditor" }]
  } finally {
    await database.close()
  }
}
