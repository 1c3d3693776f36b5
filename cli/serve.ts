// How the parts are put together in one process: database, registry, worker, queue, broker, health. `up` runs this, and so
// do the end-to-end tests, so what is proven is what is shipped.
//
// Opened in the order of the list below and released the other way round; the path of a message is released in the order
// that loses nothing: stop reading → flush and commit what was taken → acknowledgements go out → connections end.
import { join } from 'node:path'
import { auditSpoolFolder } from '../certs/audit-spool.ts'
import { authorityPaths } from '../certs/files.ts'
import { type EstServer } from '../certs/est/server.ts'
import { ensureDevelopmentAuthority, type DevelopmentAuthority } from '../certs/development.ts'
import { operatorsDirectory } from '../certs/operators.ts'
import { type AdminServer } from '../admin/server.ts'
import { type Broker, startBroker } from '../broker/broker.ts'
import { type Limits } from '../broker/limits.ts'
import { type Database } from '../ingest/database.ts'
import { startEmbedded } from '../ingest/embedded/embedded.ts'
import { startClockWatch } from '../ingest/clock-watch.ts'
import { startHeartbeat } from '../ingest/heartbeat.ts'
import { type DataKeys } from '../ingest/keys/data-keys.ts'
import { type KeySettings } from '../ingest/keys/key-ring.ts'
import { startMaintenance } from '../ingest/maintenance.ts'
import { migrate } from '../ingest/migrate.ts'
import { createRegistry, type DeviceRegistry } from '../ingest/registry.ts'
import { startWorker, type Worker } from '../ingest/worker.ts'
import { createDirectQueue } from '../queue/direct.ts'
import { type QueueLimits } from '../queue/limits.ts'
import { type Peers } from '../queue/peers.ts'
import { type Queue, type QueueWriter } from '../queue/queue.ts'
import { type AuditTrail } from '../runtime/audit.ts'
import { Health } from '../runtime/health.ts'
import { type HealthServer, startHealthServer } from '../runtime/health-server.ts'
import { type Lifecycle } from '../runtime/lifecycle.ts'
import { type Observability } from '../runtime/observability.ts'
import { observeBreaker } from '../runtime/breaker-metrics.ts'
import { readPassphrase } from '../runtime/passphrase.ts'
import { auditDirOf, openProcessAudit } from './audit-process.ts'
import { untilClockIsRight } from './clock-floor.ts'
import { keepCertificates, renewOperators } from './keep-certificates.ts'
import { databaseCheck, mqttUrl, openOne, openPeers, openRedis, type PartsContext, type RedisConfig, registrySettings, retentionDays, tlsFilesOf } from './parts.ts'
import { warnOfPlainConnections } from './plain-connections.ts'
import { checkAdministration, serveAdmin } from './serve-admin.ts'
import { serveEst, type ServeEstOptions } from './serve-est.ts'
import { openMasterKey, serveKeys } from './serve-keys.ts'
import { supersedeOlder } from './supersede.ts'
import { watchRegistryFor } from './watch-registry.ts'

export interface ServeOptions {
  /** Folder for what must survive: certs/ and, without `databaseUrl`, postgres/. */
  readonly data: string
  /** Default `<data>/certs`. */
  readonly certs?: string
  /** Folder of the audit trail's key and signed heads; default `<data>/audit`. */
  readonly auditDir?: string
  /** Holds the passphrase of the authority's keys. */
  readonly certsPassphraseFile?: string | undefined
  readonly databaseUrl?: string
  /** Folder of the PostgreSQL programs for the embedded database; default: those that npm installed. */
  readonly pgBin?: string
  /** Default: the file `<data>/keys/master.key`, made at the first start. */
  readonly keys?: Partial<KeySettings>
  readonly mqtt: { readonly host: string, readonly port: number }
  /** Names and addresses the server certificate is made for. */
  readonly serverNames: readonly string[]
  readonly health: { readonly host: string, readonly port: number }
  /** Administration over HTTPS; absent: none. */
  readonly admin?: { readonly host: string, readonly port: number }
  /** Enrolment over HTTPS; absent: none. */
  readonly est?: ServeEstOptions
  readonly enrolment: 'active' | 'pending'
  readonly registrationsPerMinute?: number
  readonly retentionMs: number
  readonly poolSize?: number
  readonly statementTimeoutMs?: number
  readonly queue?: Partial<QueueLimits>
  /** Over Redis Streams instead of within the process. */
  readonly redis?: { readonly url: string, readonly config: RedisConfig }
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
  readonly est: EstServer | null
  readonly health: Health
  readonly healthServer: HealthServer
  /** Null when none was wanted. */
  readonly admin: AdminServer | null
  /** Resolves when everything acknowledged by now is in the database; rejects when `signal` aborts. */
  untilHandled (signal: AbortSignal): Promise<void>
}

export async function serve (options: ServeOptions, context: ServeContext): Promise<Service> {
  const { lifecycle, observability } = context
  const { log } = observability
  const health = new Health()
  const certs = options.certs ?? join(options.data, 'certs')
  await checkAdministration(certs, options.admin)
  await untilClockIsRight({ caFile: authorityPaths(certs).ca, health, log, signal: lifecycle.stopping })
  const keys = openMasterKey({ masterKey: join(options.data, 'keys', 'master.key'), ...options.keys }, { make: true, log })
  const { databaseUrl, embedded } = await findDatabase(options, context)
  const { edition, applied } = await migrate(databaseUrl, { log })
  log.info({ edition, applied }, 'database ready')
  const audit = await openProcessAudit({
    part: 'up', databaseUrl, role: 'pulsegate_ingest', directory: auditDirOf(options), spools: [certs, operatorsDirectory(certs)].map(auditSpoolFolder), configuration: options, applied
  }, { ...context, health })
  const open = (applicationName: string, role?: 'pulsegate_ingest'): Database => openOne(databaseUrl, applicationName, role, options, context)

  const database = open('pulsegate')
  const registry = createRegistry(database, registrySettings(options, audit), observability)
  const maintenance = startMaintenance({ database, retentionDays: retentionDays(options.retentionMs), observability, audit })
  lifecycle.onClose('maintenance', (hard) => maintenance.close(hard))

  const passphrase = options.certsPassphraseFile === undefined ? {} : { passphrase: await readPassphrase(options.certsPassphraseFile) }
  const authority = await ensureDevelopmentAuthority(certs, options.serverNames, passphrase)
  const changed = [...authority.changed, ...await renewOperators(certs, passphrase, log)]
  if (changed.length > 0) log.info({ directory: authority.paths.directory, changed }, 'certificates made')

  warnOfPlainConnections({ databaseUrl, ...(options.redis && { redisUrl: options.redis.url }) }, { health, log })
  const ingest = open('pulsegate ingest', 'pulsegate_ingest')
  const dataKeys = await serveKeys({ keys, database: ingest, audit, health, lifecycle, log })
  const path = await openPath(options, context, { database: ingest, registry, authority, health, audit, keys: dataKeys })
  lifecycle.onClose('certificate upkeep', keepCertificates({
    paths: authority.paths, serverNames: options.serverNames, passphraseFile: options.certsPassphraseFile, broker: path.broker, log, health, meter: observability.meter, audit
  }))
  const admin = await serveAdmin({ certs, certsPassphraseFile: options.certsPassphraseFile, ...options.admin }, { broker: path.broker, database, audit, health }, context)
  const est = options.est ? await serveEst(options.est, { directory: authority.paths.directory, passphraseFile: options.certsPassphraseFile, database, audit, health, handshakes: path.broker.handshakes }, context) : null
  watchRegistryFor({ databaseUrl, broker: path.broker, worker: path.worker, lifecycle, observability })
  const heartbeat = startHeartbeat(database)
  lifecycle.onClose('heartbeat', () => heartbeat.close())
  lifecycle.onClose('clock watch', startClockWatch({ observability, audit }))
  health.register('database', () => databaseCheck(path.worker, heartbeat))
  health.register('broker', () => path.broker.stats().draining ? { ready: false, reason: 'draining: the process is stopping' } : { ready: true })
  const healthServer = await startHealthServer({ ...options.health, health, metricsText: context.metricsText })
  lifecycle.onClose('health server', () => healthServer.close())
  const service: Service = {
    url: mqttUrl(path.broker.address),
    databaseUrl,
    databaseKind: embedded ? 'embedded' : edition,
    database,
    registry,
    authority,
    est,
    health,
    healthServer,
    admin,
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

/** Queue, worker and broker: what a message goes through. */
async function openPath (
  options: ServeOptions,
  { lifecycle, observability }: ServeContext,
  { database, registry, authority: { paths }, health, audit, keys }: { database: Database, registry: DeviceRegistry, authority: DevelopmentAuthority, health: Health, audit: AuditTrail, keys: DataKeys }
): Promise<Pick<Service, 'worker' | 'broker' | 'untilHandled'>> {
  const { queue, peers } = await openQueue(options, health, { lifecycle, observability })
  const worker = startWorker({ queue, database, settings: { retentionMs: options.retentionMs }, keys, observability, audit })
  lifecycle.onClose('breaker metric', observeBreaker(observability.meter, 'database', () => worker.status().breaker))
  lifecycle.onClose('worker', (hard) => worker.close(hard))
  // the worker ends with its queue, also when the broker never came up
  lifecycle.onClose('queue', (hard) => queue.close(hard))
  const broker = await startBroker({
    ...options.mqtt,
    tls: tlsFilesOf(paths, options.certsPassphraseFile),
    queue: options.between?.(queue) ?? queue,
    registry,
    ...(peers && { peers }),
    limits: options.limits ?? {},
    observability,
    audit: await supersedeOlder({ certs: paths.directory, certsPassphraseFile: options.certsPassphraseFile, clonePolicy: options.limits?.clonePolicy, audit }, { lifecycle, observability })
  })
  lifecycle.onClose('message path', async (hard) => {
    broker.drain()
    await queue.close(hard)
    await broker.close({ graceMs: hard.aborted ? 0 : 5_000 })
  })
  return { worker, broker, untilHandled: (signal) => queue.untilHandled(signal) }
}

/** In this process, or over Redis when one is named: then what is acknowledged outlives this process without the database. */
async function openQueue (options: ServeOptions, health: Health, context: PartsContext): Promise<{ queue: Queue, peers?: Peers }> {
  if (options.redis === undefined) return { queue: createDirectQueue(options.queue ?? {}, context.observability) }
  const { url, config } = options.redis
  const queue = await openRedis(url, config, 'both', options.queue ?? {}, context)
  health.register('redis', () => queue.check())
  return { queue, peers: openPeers(url, config, health, context) }
}
