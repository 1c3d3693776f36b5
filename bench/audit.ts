// `bench audit`: what a row of the audit trail costs `audit verify`, and how long a million of them take. Rows are those of a ward's day,
// appended by the product itself and signed; a trail that is not found whole is no measurement. Verifier on the load core, database on the other.
import { randomUUID } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { append } from '../ingest/audit/append.ts'
import { type StampedEvent, stamp } from '../ingest/audit/event.ts'
import { type AuditFolder, auditFolder } from '../ingest/audit/folder.ts'
import { startSigner } from '../ingest/audit/signer.ts'
import { verifyTrail } from '../ingest/audit/verify.ts'
import { type Database, openDatabase } from '../ingest/database.ts'
import { type AuditEvent, silentTrail } from '../runtime/audit.ts'
import { quietObservability } from '../runtime/observability.ts'
import { type BenchOptions } from './arguments.ts'
import { startDatabase } from './database.ts'
import { type Measurement } from './outcome.ts'
import { loadCore, moveToCore } from './pinned.ts'
import { inRounds } from './rounds.ts'
import { quantile, valuesOf } from './statistics.ts'
import { spreadText } from './summary.ts'

const rows = 50_000
const subject = 'audit verify'
const shape = `${rows.toLocaleString('en')} rows`

async function fill (database: Database, folder: AuditFolder): Promise<void> {
  const devices = Array.from({ length: 1_000 }, () => randomUUID())
  for (let from = 0; from < rows; from += 5_000) await append(database, Array.from({ length: 5_000 }, (_, i) => row(from + i, devices[i % devices.length] as string)))
  const signer = await startSigner({ database, folder, observability: quietObservability(), audit: silentTrail, everyMs: 3_600_000 })
  await signer.sign()
  await signer.close()
}

/** Three events of devices and one of a person. */
function row (n: number, device: string): StampedEvent {
  const agent = { id: device, role: 'device', address: '10.1.2.3', certificateIssuer: 'CN=Pulsegate issuing CA', certificateSerial: device.replaceAll('-', '').toUpperCase() } as const
  const events: AuditEvent[] = [
    { type: 'connection', subtype: 'accepted', action: 'E', outcome: 'success', agent, detail: { clean: false, protocol: 4, keepAliveS: 60 } },
    { type: 'connection', subtype: 'ended', action: 'E', outcome: 'success', agent, reason: 'keep-alive' },
    { type: 'connection', subtype: 'refused', action: 'E', outcome: 'minor-failure', reason: 'certificate-expired', agent },
    { type: 'quarantine', subtype: 'viewed', action: 'R', outcome: 'success', agent: { id: 'anna@ward7', role: 'operator' }, purpose: `ticket ${n}`, entity: { type: 'quarantine', id: String(n) }, detail: { publisher: device, reason: 'not-cbor' } }
  ]
  return stamp(events[n % events.length] as AuditEvent, { node: 'ward7', version: '0.1.0' })
}

async function verifyOnce (database: Database, folder: AuditFolder): Promise<Record<string, number>> {
  const startedMs = performance.now()
  const cpu = process.cpuUsage()
  const { ok, rows: seen, signedTo, faults } = await verifyTrail({ database, folder })
  const { user, system } = process.cpuUsage(cpu)
  const tookMs = performance.now() - startedMs
  if (!ok || seen !== rows || signedTo !== rows) throw new Error(`the trail is not whole: ${faults[0]?.what ?? `${seen} rows, signed up to ${signedTo}`}`)
  return { us: (user + system) / rows, wallUs: tookMs * 1_000 / rows, millionS: tookMs / rows * 1_000 }
}

export async function benchAudit ({ rounds, only }: BenchOptions, onRun: (text: string) => void): Promise<Measurement> {
  const server = await startDatabase()
  moveToCore(loadCore, process.pid)
  const directory = await mkdtemp(join(tmpdir(), 'pulsegate-bench-audit-'))
  try {
    return await server.withDatabase(async (url) => {
      const database = openDatabase(url)
      const folder = auditFolder(directory)
      try {
        await fill(database, folder)
        const { runs, failures } = await inRounds([{ subject, shape, run: () => verifyOnce(database, folder) }], { rounds, only, onRun })
        const of = (name: string): number[] => valuesOf(runs, subject, shape, name)
        const note = 'CPU is the verifier\'s. A million rows is worked out from the wall clock of these; the target holds on a machine with nothing else to do.'
        const table = { title: 'Verifying the audit trail', note, columns: ['trail', 'CPU µs/row', 'wall µs/row', 'a million rows, s'], rows: [[shape, spreadText(of('us')), spreadText(of('wallUs')), spreadText(of('millionS'))]] }
        return { runs, failures, tables: [table], targets: [{ what: 'a million rows in under a minute: 60 s over the slowest', wanted: 1, got: 60 / quantile(of('millionS'), 1) }] }
      } finally {
        await database.close()
      }
    })
  } finally {
    await server.stop()
    await rm(directory, { recursive: true, force: true })
  }
}
