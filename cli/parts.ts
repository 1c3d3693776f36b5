// The parts that more than one composition is made of: a database that is closed at the end, the queue over Redis, the files of the
// broker's TLS, readiness.
import { type TlsFiles } from '../broker/broker.ts'
import { type AuthorityPaths } from '../certs/files.ts'
import { type Database, openDatabase } from '../ingest/database.ts'
import { type Heartbeat } from '../ingest/heartbeat.ts'
import { type RegistrySettings } from '../ingest/registry.ts'
import { type Worker } from '../ingest/worker.ts'
import { type QueueLimits } from '../queue/limits.ts'
import { type Bus, openBus } from '../queue/redis/bus.ts'
import { openRedisQueue, type RedisQueue } from '../queue/redis/redis-queue.ts'
import { type AuditTrail } from '../runtime/audit.ts'
import { type CheckResult, type Health } from '../runtime/health.ts'
import { type Lifecycle } from '../runtime/lifecycle.ts'
import { type Observability } from '../runtime/observability.ts'
import { uniqueName } from '../runtime/process-name.ts'
import { type Config } from '../runtime/settings.ts'
import { peekSource } from '../schemas/peek-source.ts'

export interface PartsContext {
  readonly lifecycle: Lifecycle
  readonly observability: Observability
}

export interface DatabaseSettings {
  readonly poolSize?: number
  readonly statementTimeoutMs?: number
}

/** Opens `url`, as `role` if one is given; closed with the lifecycle. */
export function openOne (url: string, applicationName: string, role: 'pulsegate_ingest' | 'pulsegate_broker' | undefined, { poolSize, statementTimeoutMs }: DatabaseSettings, context: PartsContext): Database {
  const database = openDatabase(url, {
    applicationName,
    log: context.observability.log,
    ...(role && { role }),
    ...(poolSize !== undefined && { poolSize }),
    ...(statementTimeoutMs !== undefined && { statementTimeoutMs })
  })
  context.lifecycle.onClose(`connections of ${applicationName}`, (hard) => database.close(hard))
  return database
}

/** What the registry takes of the options of a process. */
export function registrySettings ({ enrolment, registrationsPerMinute }: { readonly enrolment: 'active' | 'pending', readonly registrationsPerMinute?: number }, audit: AuditTrail): RegistrySettings {
  return { enrolment, audit, ...(registrationsPerMinute !== undefined && { registrationsPerMinute }) }
}

/** Settings of the queue over Redis. */
export const redisSettings = ['redisUrl', 'redisNamespace', 'redisTimeoutMs', 'partitions', 'leaseMs', 'allowWeakDurability'] as const

export type RedisConfig = Omit<Config<typeof redisSettings[number]>, 'redisUrl'>

/** Waits for Redis to answer. Errors: see openRedisQueue. */
export async function openRedis (url: string, config: RedisConfig, sides: 'write' | 'read' | 'both', limits: Partial<QueueLimits>, { lifecycle, observability }: PartsContext): Promise<RedisQueue> {
  const { redisNamespace: namespace, redisTimeoutMs: timeoutMs, partitions, leaseMs, allowWeakDurability } = config
  return openRedisQueue({
    url,
    namespace,
    timeoutMs,
    leaseMs,
    allowWeakDurability,
    sides,
    limits,
    observability,
    ...(partitions !== undefined && { partitions }),
    sourceOf: peekSource,
    signal: lifecycle.stopping
  })
}

/** The way to the other brokers; says in /readyz when it is not open, which is no reason to send devices elsewhere. */
export function openPeers (url: string, { redisNamespace: namespace, redisTimeoutMs: timeoutMs }: RedisConfig, health: Health, { lifecycle, observability }: PartsContext): Bus {
  const bus = openBus({ url, namespace, timeoutMs, brokerId: uniqueName(), observability })
  lifecycle.onClose('way to other brokers', () => { bus.close() })
  health.register('peers', () => bus.fault === null ? { ready: true } : { ready: true, reason: bus.fault })
  return bus
}

/** What the broker reads of an authority's folder. */
export function tlsFilesOf (paths: AuthorityPaths, passphraseFile?: string): TlsFiles {
  return { keyFile: paths.serverKey, passphraseFile, certFile: paths.serverCertificate, caFile: paths.ca, crlFiles: [paths.issuingCrl, paths.rootCrl] }
}

/** The worker knows what it could not store; the heartbeat knows while there is nothing to store. */
export function databaseCheck (worker: Worker, heartbeat: Heartbeat): CheckResult {
  const { reason, breaker } = worker.status()
  const fault = reason ?? heartbeat.fault
  return fault === null ? { ready: true, detail: { breaker } } : { ready: false, reason: fault, detail: { breaker } }
}

/** `mqtts://host:port` of a bound address. */
export function mqttUrl ({ host, port }: { readonly host: string, readonly port: number }): string {
  return `mqtts://${host.includes(':') ? `[${host}]` : host}:${port}`
}

/** The database drops whole days; never one in which a message younger than `retentionMs` may lie. */
export function retentionDays (retentionMs: number): number {
  return Math.ceil(retentionMs / 86_400_000) + 1
}
