// How a broker process is put together: registry in the database, queue over Redis, certificates from the folder of an authority that
// somebody else looks after. It starts and goes on while the database is away: devices known from earlier are let in.
import { type Broker, startBroker } from '../broker/broker.ts'
import { loadCredentials } from '../broker/credentials.ts'
import { type Limits } from '../broker/limits.ts'
import { auditSpoolFolder } from '../certs/audit-spool.ts'
import { authorityPaths } from '../certs/files.ts'
import { operatorsDirectory } from '../certs/operators.ts'
import { startClockWatch } from '../ingest/clock-watch.ts'
import { startHeartbeat } from '../ingest/heartbeat.ts'
import { createRegistry } from '../ingest/registry.ts'
import { type Queue, type QueueWriter } from '../queue/queue.ts'
import { openProcessAudit } from './audit-process.ts'
import { untilClockIsRight } from './clock-floor.ts'
import { keepCertificates } from './keep-certificates.ts'
import { checkAdministration, serveAdmin } from './serve-admin.ts'
import { type DatabaseSettings, mqttUrl, openOne, openPeers, openRedis, type RedisConfig, registrySettings, tlsFilesOf } from './parts.ts'
import { warnOfPlainConnections } from './plain-connections.ts'
import { type ServerContext } from './server-process.ts'
import { supersedeOlder } from './supersede.ts'
import { watchRegistryFor } from './watch-registry.ts'

export interface BrokerProcessOptions extends DatabaseSettings {
  readonly databaseUrl: string
  readonly redisUrl: string
  readonly redis: RedisConfig
  readonly certs: string
  /** Folder of the audit trail's key and signed heads. */
  readonly auditDir: string
  readonly certsPassphraseFile?: string | undefined
  readonly mqtt: { readonly host: string, readonly port: number }
  readonly enrolment: 'active' | 'pending'
  readonly registrationsPerMinute?: number
  readonly limits: Partial<Limits>
  /** Administration over HTTPS; absent: none. */
  readonly admin?: { readonly host: string, readonly port: number }
  /** Stands between broker and queue; the proof's negative control breaks the promise here. */
  readonly between?: (queue: Queue) => QueueWriter
}

export async function serveBroker (options: BrokerProcessOptions, context: ServerContext): Promise<Broker> {
  const { lifecycle, observability, health } = context
  const paths = authorityPaths(options.certs)
  await checkAdministration(options.certs, options.admin)
  await untilClockIsRight({ caFile: paths.ca, health, log: observability.log, signal: lifecycle.stopping })
  const tls = tlsFilesOf(paths, options.certsPassphraseFile)
  await loadCredentials(tls) // what is wrong with them is said at once, not after Redis has been waited for
  warnOfPlainConnections(options, { health, log: observability.log })
  const database = openOne(options.databaseUrl, 'pulsegate broker', 'pulsegate_broker', options, context)
  const audit = await openProcessAudit({ part: 'broker', databaseUrl: options.databaseUrl, role: 'pulsegate_broker', directory: options.auditDir, spools: [options.certs, operatorsDirectory(options.certs)].map(auditSpoolFolder), configuration: options }, context)
  const registry = createRegistry(database, registrySettings(options, audit), observability)
  const heartbeat = startHeartbeat(database)
  lifecycle.onClose('heartbeat', () => heartbeat.close())
  lifecycle.onClose('clock watch', startClockWatch({ observability, audit }))
  // not a reason to send devices elsewhere: whom it does not know no other broker knows either
  health.register('registry', () => heartbeat.fault === null ? { ready: true } : { ready: true, reason: `${heartbeat.fault}: only devices known from earlier are let in` })

  const queue = await openRedis(options.redisUrl, options.redis, 'write', {}, context)
  health.register('redis', () => queue.check())
  lifecycle.onClose('queue', (hard) => queue.close(hard))
  const broker = await startBroker({
    ...options.mqtt,
    tls,
    queue: options.between?.(queue) ?? queue,
    registry,
    peers: openPeers(options.redisUrl, options.redis, health, context),
    limits: options.limits,
    observability,
    audit: await supersedeOlder({ ...options, clonePolicy: options.limits.clonePolicy, audit }, context)
  })
  health.register('broker', () => broker.stats().draining ? { ready: false, reason: 'draining: the process is stopping' } : { ready: true })
  lifecycle.onClose('message path', async (hard) => {
    broker.drain()
    await queue.close(hard)
    await broker.close({ graceMs: hard.aborted ? 0 : 5_000 })
  })
  watchRegistryFor({ databaseUrl: options.databaseUrl, broker, lifecycle, observability })
  if (options.admin !== undefined) {
    // whoever administers may more than the broker itself
    const owner = openOne(options.databaseUrl, 'pulsegate administration', undefined, { ...options, poolSize: 1 }, context)
    await serveAdmin({ certs: options.certs, certsPassphraseFile: options.certsPassphraseFile, ...options.admin }, { broker, database: owner, audit, health }, context)
  }
  lifecycle.onClose('certificate upkeep', keepCertificates({ paths, broker, log: observability.log, health, meter: observability.meter, audit }))
  observability.log.info({ mqtt: mqttUrl(broker.address), health: context.healthServer.address, partitions: queue.partitions }, 'pulsegate broker is up')
  return broker
}
