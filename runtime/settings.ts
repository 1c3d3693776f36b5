// Every setting of every Pulsegate process, once: name, type, default, bounds, where it comes from, what it does. A process
// picks the ones it needs (`pick`) and gives them to loadConfig. docs/configuration.md lists exactly these (a test keeps it
// so), and a PULSEGATE_* variable that is not here is a fault, because it is most likely a misspelt one.

/** A setting is a piece of JSON Schema, plus where it is read from. Durations are written `20s` and arrive as ms (names end in Ms). */
export interface Setting {
  readonly type: 'string' | 'integer' | 'boolean' | 'duration'
  readonly description: string
  /** As a person would write it; absent = the setting may be absent. */
  readonly default?: string | number | boolean
  readonly enum?: readonly string[]
  readonly minimum?: number
  readonly maximum?: number
  /** Regular expression, and the words for it. */
  readonly pattern?: string
  readonly expects?: string
  /** The environment variable when it is not PULSEGATE_<NAME>. */
  readonly env?: string
  /** The flag when it is not the kebab-case of the name. */
  readonly flag?: string
  /** The value never appears in a message, and may come from the file that <VARIABLE>_FILE names. */
  readonly secret?: true
}

const port = { type: 'integer', minimum: 0, maximum: 65_535 } as const
const rate = { type: 'integer', minimum: 0, maximum: 1_000_000_000 } as const
const count = { type: 'integer', minimum: 1 } as const

export const settings = {
  data: {
    type: 'string',
    default: '.pulsegate',
    description: 'Folder for everything `up` keeps: certs/, postgres/, simulator/.'
  },
  certs: {
    type: 'string',
    description: 'Folder of the certificate authority and the server certificate; `up` uses certs/ in the data folder.'
  },
  certsPassphraseFile: {
    type: 'string',
    env: 'PULSEGATE_CERTS_PASSPHRASE_FILE',
    flag: 'passphrase-file',
    description: 'Holds the passphrase of encrypted certificate keys in its first line; readable by nobody else.'
  },
  databaseUrl: {
    type: 'string',
    env: 'DATABASE_URL',
    secret: true,
    pattern: '^postgres(ql)?://',
    expects: 'postgres://user:password@host:port/database',
    description: 'PostgreSQL 15 or later, best with TimescaleDB. Without it `up` starts its own.'
  },
  databaseCa: {
    type: 'string',
    env: 'PGSSLROOTCERT',
    description: 'CA of the database\'s certificate (PEM); without it those that Node trusts. A database that is not on this machine is spoken to over verified TLS.'
  },
  databaseCert: { type: 'string', env: 'PGSSLCERT', description: 'Client certificate for the database (PEM).' },
  databaseKey: { type: 'string', env: 'PGSSLKEY', description: 'Its private key (PEM), private to this user.' },
  pgBin: {
    type: 'string',
    env: 'PG_BIN',
    description: 'Folder of the PostgreSQL programs (15 or later) to run as the embedded database, instead of those that npm installed.'
  },
  redisUrl: {
    type: 'string',
    env: 'REDIS_URL',
    secret: true,
    pattern: '^rediss?://',
    expects: 'rediss://user:password@host:port',
    description: 'Redis between separate `broker` and `ingest` processes; `up` uses it too when it is given.'
  },
  redisCa: { type: 'string', description: 'CA of the certificate of Redis (PEM), for rediss://; without it those that Node trusts.' },
  redisCert: { type: 'string', description: 'Client certificate for Redis (PEM).' },
  redisKey: { type: 'string', description: 'Its private key (PEM), private to this user.' },
  allowPlainRedis: { type: 'boolean', default: false, description: 'Take redis:// without encryption to another machine: only where the network itself is encrypted.' },
  redisNamespace: {
    type: 'string',
    default: 'pulsegate',
    pattern: '^[A-Za-z0-9._-]{1,40}$',
    expects: 'up to 40 letters, digits, dots, dashes or underscores',
    description: 'What every key in Redis begins with; processes that belong together have the same.'
  },
  redisTimeoutMs: { type: 'duration', flag: 'redis-timeout', default: '5s', minimum: 100, description: 'Longest Redis may take to answer; then the connection is made anew.' },
  partitions: { ...count, maximum: 1_024, description: 'Streams the messages are spread over by source device: as many workers can share the work. Fixed and recorded at the first start; default then: 16.' },
  leaseMs: { type: 'duration', flag: 'lease', default: '10s', minimum: 500, description: 'How long a worker that has died or frozen keeps its partitions before others take them over.' },
  allowWeakDurability: { type: 'boolean', default: false, description: 'Take a Redis that does not fsync before it answers: a power cut may then lose acknowledged messages.' },
  mqttHost: { type: 'string', default: '127.0.0.1', description: 'Address the MQTT broker listens on; 0.0.0.0 for devices in the network.' },
  mqttPort: { ...port, default: 8_883, description: 'Port of MQTT over mutual TLS; 0 takes a free one.' },
  serverNames: {
    type: 'string',
    pattern: '^[A-Za-z0-9.:*-]+(,[A-Za-z0-9.:*-]+)*$',
    expects: 'names and addresses separated by commas, such as broker.ward7.example,10.0.0.5',
    description: 'Names and addresses devices know the broker by, for its certificate; localhost and --mqtt-host are always in it.'
  },
  healthHost: { type: 'string', default: '127.0.0.1', description: 'Private address of /healthz, /readyz and /metrics (no authentication).' },
  healthPort: { ...port, default: 9_464, description: 'Its port; 0 takes a free one.' },
  adminHost: { type: 'string', default: '127.0.0.1', description: 'Address of administration over HTTPS with an operator\'s certificate.' },
  adminPort: { ...port, description: 'Its port; 0 takes a free one. Without it there is no administration address.' },
  estHost: { type: 'string', description: 'Address that enrolment over HTTPS (EST) listens on; default: that of MQTT in `up`, else 127.0.0.1.' },
  estPort: { ...port, default: 8_443, description: 'Its port; 0 takes a free one.' },
  deviceLifeMs: { type: 'duration', flag: 'device-life', default: '7d', minimum: 10_000, maximum: 30 * 86_400_000, description: 'Life of the certificates that devices get; they renew after two thirds of it.' },
  logLevel: {
    type: 'string',
    enum: ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'],
    default: 'info',
    description: 'The least important events that are logged.'
  },
  otlpEndpoint: {
    type: 'string',
    env: 'OTEL_EXPORTER_OTLP_ENDPOINT',
    secret: true,
    pattern: '^https?://',
    expects: 'http://host:4318',
    description: 'OTLP/HTTP collector that metrics and traces are pushed to.'
  },
  auditDir: {
    type: 'string',
    description: 'Folder, outside of the database, of the key that signs the audit trail and of the signed heads; default: audit/ in the data folder. One for each database.'
  },
  purpose: {
    type: 'string',
    description: 'Why this is done, for the audit trail.'
  },
  enrolment: {
    type: 'string',
    enum: ['active', 'pending'],
    description: 'State of an unknown device with a good certificate: `active` may publish at once, `pending` waits for an operator. Default: active in `up`, else pending.'
  },
  registrationsPerMinute: { ...count, maximum: 1_000_000, default: 6_000, description: 'Most unknown devices that a broker registers in a minute; those beyond are turned away and come again.' },
  retentionMs: {
    type: 'duration',
    flag: 'retention',
    default: '90d',
    minimum: 3_600_000,
    description: 'How long readings and receipts are kept. Older messages are quarantined as too-old.'
  },
  graceMs: { type: 'duration', flag: 'grace', default: '25s', minimum: 0, description: 'Time to finish what was taken when the process is asked to stop.' },
  statementTimeoutMs: { type: 'duration', flag: 'statement-timeout', default: '30s', minimum: 100, description: 'Longest any SQL statement may take.' },
  poolSize: { ...count, maximum: 100, default: 6, description: 'Connections to the database.' },
  batchMessages: { ...count, maximum: 100_000, default: 1_000, description: 'Most messages in one transaction.' },
  batchAgeMs: { type: 'duration', flag: 'batch-age', default: '10ms', minimum: 0, description: 'Longest a message waits for others before it is written.' },
  queueMessages: { ...count, default: 50_000, description: 'Most messages held unstored in the process; beyond it sockets are paused.' },
  queueBytes: { type: 'integer', minimum: 1_000_000, default: 67_108_864, description: 'Most payload bytes held unstored in the process.' },
  maxConnections: { ...count, default: 10_000, description: 'Most devices connected at once.' },
  maxConnectionsPerAddress: { ...count, default: 5_000, description: 'Most of them from one IP address (IPv6: one /64); many devices may sit behind one.' },
  maxHandshakes: { ...count, default: 256, description: 'TLS handshakes at work at once; those beyond wait for their turn.' },
  handshakesPerAddress: { ...count, default: 500, description: 'TLS handshakes one IP address may begin a second; those beyond wait.' },
  deviceMessagesPerSecond: { ...rate, default: 2_000, description: 'Messages one device may send a second, after ten seconds\' worth at once; beyond it the device is slowed down, nothing is dropped. 0: no limit.' },
  deviceBytesPerSecond: { ...rate, default: 4_194_304, description: 'Bytes one device may send a second, in the same way. 0: no limit.' },
  totalMessagesPerSecond: { ...rate, default: 0, description: 'Messages all devices together may send a second; beyond it they are slowed down. 0: no limit.' },
  totalBytesPerSecond: { ...rate, default: 0, description: 'Bytes all devices together may send a second, in the same way. 0: no limit.' },
  flappingSessions: { ...rate, default: 10, description: 'Sessions of one device in a minute that end by a rule it broke, before it is kept out for a while. 0: never.' },
  authenticationFailures: { ...rate, default: 100, description: 'Refused certificates in a minute from one IP address, before it is kept out for a while (or slowed down, where other devices of it are in). 0: never.' },
  clonePolicy: {
    type: 'string',
    enum: ['report', 'refuse'],
    default: 'report',
    description: 'A device that comes with an older certificate after a newer one was used: only reported as a clone, or refused as well (and its certificate revoked as superseded, where the authority\'s keys are at hand).'
  },
  masterKey: {
    type: 'string',
    pattern: '^(https://[^@]+|(?![a-z]+://).+)$',
    expects: 'a path, or https://… of a key service',
    description: 'File of the master key, or a key service, that protects quarantine and exports; default: keys/master.key in the data folder.'
  },
  oldMasterKeys: { type: 'string', expects: 'paths or https:// URLs separated by commas', description: 'Master keys that still open what they have wrapped, until `pulsegate keys rotate` has moved it.' },
  keyServiceTokenFile: { type: 'string', description: 'File with the bearer token for the key service, private to this user.' },
  keyServiceCa: { type: 'string', description: 'CA of the key service\'s certificate (PEM); without it those that Node trusts.' },
  keyServiceCert: { type: 'string', description: 'Client certificate for the key service (PEM).' },
  keyServiceKey: { type: 'string', description: 'Its private key (PEM), private to this user.' },
  keyServiceTimeoutMs: { type: 'duration', flag: 'key-service-timeout', default: '5s', minimum: 100, description: 'Longest a call of the key service may take, with its retries.' },
  failPoints: { type: 'string', description: 'For `pulsegate proof` only: where this process shall die or freeze (runtime/fail-points.ts).' }
} as const satisfies Record<string, Setting>

export type SettingName = keyof typeof settings
type Entry<N extends SettingName> = typeof settings[N]
type ValueOf<S> = S extends { enum: readonly (infer E)[] } ? E
  : S extends { type: 'integer' | 'duration' } ? number
    : S extends { type: 'boolean' } ? boolean : string
type Defaulted<N extends SettingName> = N extends SettingName ? (Entry<N> extends { default: unknown } ? N : never) : never

/** The type of a configuration made of the named settings; those without a default may be absent. */
export type Config<N extends SettingName> =
  & { readonly [K in Defaulted<N>]: ValueOf<Entry<K>> }
  & { readonly [K in Exclude<N, Defaulted<N>>]?: ValueOf<Entry<K>> }

/** The named settings, as loadConfig takes them. */
export function pick<N extends SettingName> (...names: N[]): Pick<typeof settings, N> {
  return Object.fromEntries(names.map((name) => [name, settings[name]])) as Pick<typeof settings, N>
}

const words = (name: string) => name.replace(/[A-Z]/g, (letter) => '_' + letter)

/** `--mqtt-port` of `mqttPort`. */
export function flagOf (name: string, setting: Setting): string {
  return `--${setting.flag ?? words(name).replaceAll('_', '-').toLowerCase()}`
}

/** `PULSEGATE_MQTT_PORT` of `mqttPort`, `DATABASE_URL` of `databaseUrl`. */
export function variableOf (name: string, setting: Setting): string {
  return setting.env ?? `PULSEGATE_${(setting.flag ?? words(name)).replaceAll('-', '_').toUpperCase()}`
}
