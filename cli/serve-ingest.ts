// How an ingest process is put together: migrations, upkeep of the database, and a worker on the queue over Redis. It waits for a database
// that is away, at the start as well as later; what it has not stored stays in Redis.
import { startClockWatch } from '../ingest/clock-watch.ts'
import { startHeartbeat } from '../ingest/heartbeat.ts'
import { type KeySettings } from '../ingest/keys/key-ring.ts'
import { startMaintenance } from '../ingest/maintenance.ts'
import { migrate } from '../ingest/migrate.ts'
import { startWorker, type Worker } from '../ingest/worker.ts'
import { observeBreaker } from '../runtime/breaker-metrics.ts'
import { PulsegateError } from '../runtime/errors.ts'
import { retry } from '../runtime/retry.ts'
import { openProcessAudit } from './audit-process.ts'
import { databaseCheck, type DatabaseSettings, openOne, openRedis, type RedisConfig, retentionDays } from './parts.ts'
import { warnOfPlainConnections } from './plain-connections.ts'
import { openMasterKey, serveKeys } from './serve-keys.ts'
import { type ServerContext } from './server-process.ts'
import { watchRegistryFor } from './watch-registry.ts'

export interface IngestProcessOptions extends DatabaseSettings {
  readonly databaseUrl: string
  readonly redisUrl: string
  readonly redis: RedisConfig
  /** Folder of the audit trail's key and signed heads. */
  readonly auditDir: string
  readonly retentionMs: number
  readonly keys: KeySettings
  readonly batch: { readonly maxMessages: number, readonly maxAgeMs: number }
}

export async function serveIngest (options: IngestProcessOptions, context: ServerContext): Promise<Worker> {
  const { lifecycle, observability, health } = context
  const { log, meter } = observability
  const keys = openMasterKey(options.keys, { make: false, log })
  warnOfPlainConnections(options, { health, log })
  const { edition, applied } = await migrateWhenThere(options.databaseUrl, context)
  log.info({ edition, applied }, 'database ready')
  const audit = await openProcessAudit({ part: 'ingest', databaseUrl: options.databaseUrl, role: 'pulsegate_ingest', directory: options.auditDir, configuration: options, applied }, context)
  const owner = openOne(options.databaseUrl, 'pulsegate', undefined, { ...options, poolSize: 2 }, context)
  const maintenance = startMaintenance({ database: owner, retentionDays: retentionDays(options.retentionMs), observability, audit })
  lifecycle.onClose('maintenance', (hard) => maintenance.close(hard))
  const heartbeat = startHeartbeat(owner)
  lifecycle.onClose('heartbeat', () => heartbeat.close())
  lifecycle.onClose('clock watch', startClockWatch({ observability, audit }))

  const database = openOne(options.databaseUrl, 'pulsegate ingest', 'pulsegate_ingest', options, context)
  const dataKeys = await serveKeys({ keys, database, audit, health, lifecycle, log })
  const queue = await openRedis(options.redisUrl, options.redis, 'read', options.batch, context)
  const worker = startWorker({ queue, database, settings: { retentionMs: options.retentionMs }, keys: dataKeys, observability, audit })
  lifecycle.onClose('breaker metric', observeBreaker(meter, 'database', () => worker.status().breaker))
  lifecycle.onClose('worker', (hard) => worker.close(hard))
  watchRegistryFor({ databaseUrl: options.databaseUrl, worker, lifecycle, observability })
  // first of the two: reads no more, finishes what is in hand, hands its partitions over
  lifecycle.onClose('queue', (hard) => queue.close(hard))
  health.register('redis', () => queue.check())
  health.register('database', () => databaseCheck(worker, heartbeat))
  log.info({ health: context.healthServer.address, partitions: queue.partitions }, 'pulsegate ingest is up')
  return worker
}

/** Migrates; a database that is away is waited for, one that is unsuitable is not. */
async function migrateWhenThere (databaseUrl: string, { lifecycle, observability: { log }, health }: ServerContext): ReturnType<typeof migrate> {
  let fault = 'migrating'
  const waiting = health.register('database', () => ({ ready: false, reason: fault }))
  try {
    return await retry(() => migrate(databaseUrl, { log }), {
      baseMs: 500,
      capMs: 5_000,
      signal: lifecycle.stopping,
      retryable: (error) => error instanceof PulsegateError && error.entry.retryable,
      onRetry: ({ error, attempt }) => {
        fault = error instanceof Error ? error.message : 'unknown'
        if (attempt % 5 === 0) log.warn({ fault }, 'waiting for the database')
      }
    })
  } finally {
    waiting()
  }
}
