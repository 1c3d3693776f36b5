// What `pulsegate up` can be told, and how that becomes what serve() and the ward take.
import { type Command } from 'commander'
import { type Config, type SettingName } from '../runtime/settings.ts'
import { above0, duration, wholeNumber } from './arguments.ts'
import { limitSettings, limitsOf } from './broker-limits.ts'
import { keySettingNames, keySettingsOf } from './master-key.ts'
import { addSettings } from './options.ts'
import { redisSettings } from './parts.ts'
import { type ServeOptions } from './serve.ts'
import { adminOptions, adminSettings } from './serve-admin.ts'

export const upSettings = [...keySettingNames, 'certs', 'certsPassphraseFile', 'auditDir', 'databaseUrl', 'pgBin', ...redisSettings, 'failPoints', 'mqttHost', 'mqttPort',
  'serverNames', 'healthHost', 'healthPort', ...adminSettings, 'estHost', 'estPort', 'deviceLifeMs', 'enrolment', 'registrationsPerMinute',
  'retentionMs', 'graceMs', 'statementTimeoutMs', 'poolSize', 'batchMessages', 'batchAgeMs', ...limitSettings,
  'logLevel', 'otlpEndpoint'] as const satisfies SettingName[]

export type UpConfig = Config<typeof upSettings[number]>

/** Flags of `up` that are not settings of a server: what the simulated ward does and for how long. */
export interface UpFlags {
  readonly for?: number
  readonly json?: true
  readonly simulator: boolean
  /** Enrolment over HTTPS. */
  readonly est: boolean
  readonly devices?: number
  readonly seed: number
  readonly rate?: number
  readonly wfdb?: string
  readonly speed?: number
}

export function addUpOptions (command: Command): Command {
  command
    .option('--for <duration>', 'stop by itself after this long, such as 20s', duration)
    .option('--json', 'print one JSON line with the result at the end, nothing else on standard output')
    .option('--no-simulator', 'without the simulated ward: only real devices')
    .option('--no-est', 'without enrolment over HTTPS: simulated devices are signed directly, and do not renew')
    .option('--devices <integer>', 'size of the simulated ward (default: 10)', wholeNumber(1, 5_000))
    .option('--seed <integer>', 'seed of the simulated ward: the same seed makes the same devices', wholeNumber(0, 2 ** 32 - 1), 1)
    .option('--rate <number>', 'messages per second of each simulated device (default: its own tempo)', above0)
    .option('--wfdb <file>', 'play this WFDB record (.hea) through an ECG patch and an oximeter in place of the models')
    .option('--speed <number>', 'with --wfdb: play this many times faster than real time', above0)
  return addSettings(command, upSettings)
}

/** What serve() takes of the configuration. */
export function serveOptions (config: UpConfig, { est }: Pick<UpFlags, 'est'>): ServeOptions {
  const local = ['localhost', '127.0.0.1', '::1']
  return {
    data: config.data,
    keys: keySettingsOf(config),
    ...(config.certs !== undefined && { certs: config.certs }),
    ...(config.auditDir !== undefined && { auditDir: config.auditDir }),
    certsPassphraseFile: config.certsPassphraseFile,
    ...(config.databaseUrl !== undefined && { databaseUrl: config.databaseUrl }),
    ...(config.pgBin !== undefined && { pgBin: config.pgBin }),
    mqtt: { host: config.mqttHost, port: config.mqttPort },
    serverNames: [...new Set([...local, ...(isAnyAddress(config.mqttHost) ? [] : [config.mqttHost]), ...config.serverNames?.split(',') ?? []])],
    health: { host: config.healthHost, port: config.healthPort },
    ...adminOptions(config),
    ...(est && { est: { host: config.estHost ?? config.mqttHost, port: config.estPort, deviceLifeMs: config.deviceLifeMs } }),
    enrolment: config.enrolment ?? 'active',
    registrationsPerMinute: config.registrationsPerMinute,
    retentionMs: config.retentionMs,
    poolSize: config.poolSize,
    statementTimeoutMs: config.statementTimeoutMs,
    ...(config.redisUrl !== undefined && { redis: { url: config.redisUrl, config } }),
    queue: { maxMessages: config.batchMessages, maxAgeMs: config.batchAgeMs },
    limits: limitsOf(config)
  }
}

function isAnyAddress (host: string): boolean { return host === '0.0.0.0' || host === '::' }
