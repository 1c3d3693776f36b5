// The environment of each process of a set-up: only what it needs, so that no variable of the person's shell changes what is proven.
// Addresses are those of the proxies. Pure.
import { dirname, join } from 'node:path'

export interface Addresses {
  readonly redisUrl: string
  readonly databaseUrl: string
  readonly healthPort: number
}

export interface Shared {
  readonly certs: string
  /** File of the master key. */
  readonly masterKey: string
  readonly partitions: number
  readonly leaseMs: number
  readonly allowWeakDurability: boolean
}

/** `url` with another port on this machine: that of the proxy which stands before it. */
export function through (url: string, port: number): string {
  const changed = new URL(url)
  changed.hostname = '127.0.0.1'
  changed.port = String(port)
  return changed.href
}

export function brokerEnvironment (addresses: Addresses & { readonly mqttPort: number }, shared: Shared): Record<string, string> {
  return {
    ...common(addresses, shared),
    PULSEGATE_CERTS: shared.certs,
    PULSEGATE_MQTT_PORT: String(addresses.mqttPort),
    PULSEGATE_ENROLMENT: 'active'
  }
}

export function workerEnvironment (addresses: Addresses, shared: Shared): Record<string, string> {
  return { ...common(addresses, shared), PULSEGATE_LEASE: `${shared.leaseMs}ms`, PULSEGATE_MASTER_KEY: shared.masterKey }
}

function common ({ redisUrl, databaseUrl, healthPort }: Addresses, { certs, partitions, allowWeakDurability }: Shared): Record<string, string> {
  return {
    REDIS_URL: redisUrl,
    DATABASE_URL: databaseUrl,
    PULSEGATE_HEALTH_PORT: String(healthPort),
    // all processes of a set-up sign into one folder, as on one machine
    PULSEGATE_AUDIT_DIR: join(dirname(certs), 'audit'),
    PULSEGATE_PARTITIONS: String(partitions),
    // shorter than their defaults: a proof has seconds where an outage has minutes
    PULSEGATE_REDIS_TIMEOUT: '2s',
    PULSEGATE_STATEMENT_TIMEOUT: '5s',
    PULSEGATE_GRACE: '10s',
    ...(allowWeakDurability && { PULSEGATE_ALLOW_WEAK_DURABILITY: 'true' })
  }
}
