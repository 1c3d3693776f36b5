// How a broker process is put together: registry in the database, queue over Redis, certificates from the folder of an authority that
// somebody else looks after. It starts and goes on while the database is away: devices known from earlier are let in.
import { type Broker, startBroker } from '../broker/broker.ts'
import { type Limits } from '../broker/limits.ts'
import { authorityPaths } from '../certs/files.ts'
import { startHeartbeat } from '../ingest/heartbeat.ts'
import { createRegistry } from '../ingest/registry.ts'
import { type Queue, type QueueWriter } from '../queue/queue.ts'
import { keepCertificates } from './keep-certificates.ts'
import { type DatabaseSettings, mqttUrl, openOne, openPeers, openRedis, type RedisConfig, tlsFilesOf } from './parts.ts'
import { warnOfPlainConnections } from './plain-connections.ts'
import { type ServerContext } from './server-process.ts'
import { watchRegistryFor } from './watch-registry.ts'

export interface BrokerProcessOptions extends DatabaseSettings {
  readonly databaseUrl: string
  readonly redisUrl: string
  readonly redis: RedisConfig
  readonly certs: string
  readonly mqtt: { readonly host: string, readonly port: number }
  readonly enrolment: 'active' | 'pending'
  readonly limits: Partial<Limits>
  /** Stands between broker and queue; the proof's negative control breaks the promise here. */
  readonly between?: (queue: Queue) => QueueWriter
}

export async function serveBroker (options: BrokerProcessOptions, context: ServerContext): Promise<Broker> {
  const { lifecycle, observability, health } = context
  warnOfPlainConnections(options, { health, log: observability.log })
  const database = openOne(options.databaseUrl, 'pulsegate broker', undefined, options, context)
  const registry = createRegistry(database, { enrolment: options.enrolment }, observability)
  const heartbeat = startHeartbeat(database)
  lifecycle.onClose('heartbeat', () => heartbeat.close())
  // not a reason to send devices elsewhere: whom it does not know no other broker knows either
  health.register('registry', () => heartbeat.fault === null ? { ready: true } : { ready: true, reason: `${heartbeat.fault}: only devices known from earlier are let in` })

  const queue = await openRedis(options.redisUrl, options.redis, 'write', {}, context)
  health.register('redis', () => queue.check())
  lifecycle.onClose('queue', (hard) => queue.close(hard))
  const paths = authorityPaths(options.certs)
  const broker = await startBroker({
    ...options.mqtt,
    tls: tlsFilesOf(paths),
    queue: options.between?.(queue) ?? queue,
    registry,
    peers: openPeers(options.redisUrl, options.redis, health, context),
    limits: options.limits,
    observability
  })
  health.register('broker', () => broker.stats().draining ? { ready: false, reason: 'draining: the process is stopping' } : { ready: true })
  lifecycle.onClose('message path', async (hard) => {
    broker.drain()
    await queue.close(hard)
    await broker.close({ graceMs: hard.aborted ? 0 : 5_000 })
  })
  watchRegistryFor({ databaseUrl: options.databaseUrl, broker, lifecycle, observability })
  lifecycle.onClose('certificate upkeep', keepCertificates({ paths, broker, log: observability.log }))
  observability.log.info({ mqtt: mqttUrl(broker.address), health: context.healthServer.address, partitions: queue.partitions }, 'pulsegate broker is up')
  return broker
}
