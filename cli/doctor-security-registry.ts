// Where registry and authority disagree: a device whose certificates are all revoked and that may publish, or was heard since; a
// retired device that a gateway may still speak for.
import { openDatabase, type Database } from '../ingest/database.ts'
import { readJournal, type CertificateRecord } from '../certs/journal.ts'
import { authorityPaths } from '../certs/files.ts'
import { type Finding } from './doctor-finding.ts'
import { type SecurityCheck } from './doctor-security.ts'
import { byDevice, isLiving } from './doctor-security-certificates.ts'
import { findingOf } from './doctor-security-finding.ts'

/** A message may be under way, and its row a little later. */
const afterRevocationMs = 60_000

export const checkRegistry: SecurityCheck = async ({ config: { databaseUrl }, certificates, nowMs }) => {
  if (databaseUrl === undefined) return []
  const database = openDatabase(databaseUrl, { applicationName: 'pulsegate doctor', poolSize: 1, statementTimeoutMs: 10_000 })
  try {
    const { rows } = await database.query("SELECT FROM pg_tables WHERE schemaname = 'public' AND tablename = 'pairing'")
    if (rows.length === 0) return [{ name: 'registry', status: 'ok', detail: 'not made yet' }]
    const records = await readJournal(authorityPaths(certificates).journal).catch((): CertificateRecord[] => [])
    return [await retiredPairings(database), ...await revokedDevices(database, records, nowMs)]
  } finally {
    await database.close()
  }
}

async function retiredPairings (database: Database): Promise<Finding> {
  const { rows } = await database.query<{ sensor: string, gateway: string }>(`
    SELECT s.id AS sensor, g.id AS gateway FROM pairing p JOIN device s ON s.key = p.sensor JOIN device g ON g.key = p.gateway
    WHERE p.period @> now() AND (s.state = 'retired' OR g.state = 'retired') ORDER BY 1 LIMIT 1000`)
  return findingOf('retired and still paired', rows.map(({ sensor, gateway }) => `${sensor} with ${gateway}`),
    { fine: 'none', todo: 'end the pairing with `pulsegate devices`', status: 'warn' })
}

async function revokedDevices (database: Database, records: readonly CertificateRecord[], nowMs: number): Promise<Finding[]> {
  const revoked = [...byDevice(records)]
    .filter(([, own]) => own.some((record) => record.revoked !== undefined) && !own.some((record) => isLiving(record, nowMs)))
    .map(([id, own]) => ({ id, atMs: Math.max(...own.flatMap((record) => record.revoked === undefined ? [] : [Date.parse(record.revoked.at)])) }))
  const { rows } = await database.query<{ id: string, state: string, last_seen: Date }>(
    'SELECT id, state, last_seen FROM device WHERE id = ANY($1::uuid[])', [revoked.map(({ id }) => id)])
  const heard = revoked.filter(({ id, atMs }) => rows.some((row) => row.id === id && row.last_seen.getTime() > atMs + afterRevocationMs))
  return [
    findingOf('revoked and still heard', heard.map(({ id }) => id),
      { fine: 'none', todo: 'some broker has not loaded the revocation lists: look at its log and /readyz, and at which lists it is given' }),
    findingOf('revoked and still active', rows.filter(({ state }) => state === 'active').map(({ id }) => id),
      { fine: 'none', todo: 'suspend or retire the device, or give it a new certificate', status: 'warn' })
  ]
}
