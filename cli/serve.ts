// How the parts are put together in one process: database, registry, worker, queue, broker, health. `up` runs this, and so
// do the end-to-end tests, so what is proven is what is shipped.
//
// Opened in the order of the list below and released the other way round; the path of a message is released in the order
// that loses nothing: stop reading → flush and commit what was taken → acknowledgements go out → connections end.
import { join } from 'node:path'
import { ensureDevelopmentAuthority, type DevelopmentAuthority } from '../certs/development.ts'
import { type Broker, startBroker } from '../broker/broker.ts'
import { type Limits } from '../broker/limits.ts'
import { type Database, openDatabase } from '../ingest/database.ts'
import { startEmbedded } from '../ingest/embedded/embedded.ts'
import { startHeartbeat } from '../ingest/heartbeat.ts'
import { startMaintenance } from '../ingest/maintenance.ts'
import { migrate } from '../ingest/migrate.ts'
import { createRegistry, type DeviceRegistry } from '../ingest/registry.ts'
import { startWorker, type Worker } from '../ingest/worker.ts'
import { createDirectQueue } from '../queue/direct.ts'
import { type QueueLimits } from '../queue/limits.ts'
import { type Queue, type QueueWriter } from '../queue/queue.ts'
import { type CheckResult, Health } from '../runtime/health.ts'
import { type HealthServer, startHealthServer } from '../runtime/health-server.ts'
import { type Lifecycle } from '../runtime/lifecycle.ts'
import { type Observability } from '../runtime/observability.ts'
import { keepCertificates } from './keep-certificates.ts'
import { watchRegistryFor } from './watch-registry.ts'

export interface ServeOptions {
  /** Folder for what must survive: certs/ and, without `databaseUrl`, postgres/. */
  readonly data: string
  /** Default `<data>/certs`. */
  readonly certs?: string
  readonly databaseUrl?: string
  /** Folder of the PostgreSQL programs for the embedded database; default: those that npm installed. */
  readonly pgBin?: string
  readonly mqtt: { readonly host: string, readonly port: number }
  /** Names and addresses the server certificate is made for. */
  readonly serverNames: readonly string[]
  readonly health: { readonly host: string, readonly port: number }
  readonly enrolment: 'active' | 'pending'
  readonly retentionMs: number
  readonly poolSize?: number
  readonly statementTimeoutMs?: number
  readonly queue?: Partial<QueueLimits>
  readonly limits?: Partial<Limits>
  /** Stands between broker and queue; a test watches or breaks the promise here. */
  readonly between?: (queue: Queue) => QueueWriter
}

export interface ServeContext {
  readonly lifecycle: Lifecycle
  readonly observability: Observability
  readonly metricsText: () => Promise<string>
}

/** A running Pulsegate; `lifecycle.close()` ends it. */
export interface Service {
  /** `mqtts://host:port` */
  readonly url: string
  readonly databaseUrl: string
  /** `embedded`, or the edition of the database given. */
  readonly databaseKind: 'embedded' | 'plain' | 'timescaledb-apache' | 'timescaledb'
  /** As the owner: for registering, comparing and looking. Not the worker's. */
  readonly database: Database
  readonly registry: DeviceRegistry
  readonly authority: DevelopmentAuthority
  readonly worker: Worker
  readonly broker: Broker
  readonly health: Health
  readonly healthServer: HealthServer
}

export async function serve (options: ServeOptions, context: ServeContext): Promise<Service> {
  const { lifecycle, observability } = context
  const { log } = observability
  const { databaseUrl, embedded } = await findDatabase(options, context)
  const { edition, applied } = await migrate(databaseUrl, { log })
  log.info({ edition, applied }, 'database ready')
  const open = (applicationName: string, role?: 'pulsegate_ingest'): Database => openOne(databaseUrl, applicationName, role, options, context)

  const database = open('pulsegate')
  const registry = createRegistry(database, { enrolment: options.enrolment }, observability)
  const maintenance = startMaintenance({ database, retentionDays: retentionDays(options.retentionMs), observability })
  lifecycle.onClose('maintenance', () => maintenance.close())

  const authority = await ensureDevelopmentAuthority(options.certs ?? join(options.data, 'certs'), options.serverNames)
  if (authority.changed.length > 0) log.info({ directory: authority.paths.directory, changed: authority.changed }, 'certificates made')

  const path = await openPath(options, context, { database: open('pulsegate ingest', 'pulsegate_ingest'), registry, authority })
  lifecycle.onClose('certificate upkeep', keepCertificates({ paths: authority.paths, serverNames: options.serverNames, broker: path.broker, log }))
  watchRegistryFor({ databaseUrl, broker: path.broker, lifecycle, observability })
  const heartbeat = startHeartbeat(database)
  lifecycle.onClose('heartbeat', () => heartbeat.close())
  const health = new Health()
  // the worker knows what it could not store; the heartbeat knows while there is nothing to store
  health.register('database', () => asReady(path.worker.status().reason ?? heartbeat.fault))
  health.register('broker', () => path.broker.stats().draining ? { ready: false, reason: 'draining: the process is stopping' } : { ready: true })
  const healthServer = await startHealthServer({ ...options.health, health, metricsText: context.metricsText })
  lifecycle.onClose('health server', () => healthServer.close())
  const { host, port } = path.broker.address
  const service: Service = {
    url: `mqtts://${host.includes(':') ? `[${host}]` : host}:${port}`,
    databaseUrl,
    databaseKind: embedded ? 'embedded' : edition,
    database,
    registry,
    authority,
    health,
    healthServer,
    ...path
  }
  log.info({ mqtt: service.url, health: healthServer.address, database: service.databaseKind }, 'pulsegate is up')
  return service
}

async function findDatabase ({ databaseUrl, data, pgBin }: ServeOptions, { lifecycle, observability: { log } }: ServeContext): Promise<{ databaseUrl: string, embedded: boolean }> {
  if (databaseUrl !== undefined) return { databaseUrl, embedded: false }
  const postgres = await startEmbedded({ directory: join(data, 'postgres'), log, signal: lifecycle.stopping, pgBin })
  lifecycle.onClose('embedded database', () => postgres.close())
  return { databaseUrl: postgres.url, embedded: true }
}

function openOne (url: string, applicationName: string, role: 'pulsegate_ingest' | undefined, options: ServeOptions, context: ServeContext): Database {
  const database = openDatabase(url, {
    applicationName,
    log: context.observability.log,
    ...(role && { role }),
    ...(options.poolSize !== undefined && { poolSize: options.poolSize }),
    ...(options.statementTimeoutMs !== undefined && { statementTimeoutMs: options.statementTimeoutMs })
  })
  context.lifecycle.onClose(`connections of ${applicationName}`, () => database.close())
  return database
}

/** Queue, worker and broker: what a message goes through. */
async function openPath (
  options: ServeOptions,
  { lifecycle, observability }: ServeContext,
  { database, registry, authority: { paths } }: { database: Database, registry: DeviceRegistry, authority: DevelopmentAuthority }
): Promise<{ worker: Worker, broker: Broker }> {
  const queue = createDirectQueue(options.queue ?? {}, observability)
  const worker = startWorker({ queue, database, settings: { retentionMs: options.retentionMs }, observability })
  lifecycle.onClose('worker', (hard) => worker.close(hard))
  // the worker ends with its queue, also when the broker never came up
  lifecycle.onClose('queue', (hard) => queue.close(hard))
  const broker = await startBroker({
    ...options.mqtt,
    tls: { keyFile: paths.serverKey, certFile: paths.serverCertificate, caFile: paths.ca, crlFiles: [paths.issuingCrl, paths.rootCrl] },
    queue: options.between?.(queue) ?? queue,
    registry,
    limits: options.limits ?? {},
    observability
  })
  lifecycle.onClose('message path', async (hard) => {
    broker.drain()
    await queue.close(hard)
    await broker.close({ graceMs: hard.aborted ? 0 : 5_000 })
  })
  return { worker, broker }
}

function asReady (fault: string | null): CheckResult {
  return fault === null ? { ready: true } : { ready: false, reason: fault }
}

/** The database drops whole days; never one in which a message younger than `retentionMs` may lie. */
function retentionDays (retentionMs: number): number {
  return Math.ceil(retentionMs / 86_400_000) + 1
}
