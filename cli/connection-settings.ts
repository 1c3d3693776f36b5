// Settings that belong to a URL: whoever takes --database-url takes its CA and client certificate with it, and --redis-url likewise. They
// become part of the URL, so that every connection made from it is made the same way. Also: passwords that other users can read.
import { withDatabaseTls } from '../ingest/database-tls.ts'
import { withRedisTls } from '../queue/redis/redis-tls.ts'
import { type SettingName } from '../runtime/settings.ts'

const companions: Partial<Record<SettingName, readonly SettingName[]>> = {
  databaseUrl: ['databaseCa', 'databaseCert', 'databaseKey'],
  redisUrl: ['redisCa', 'redisCert', 'redisKey', 'allowPlainRedis']
}

/** `names` and what belongs to them. */
export function withCompanions<N extends SettingName> (names: readonly N[]): SettingName[] {
  return [...new Set<SettingName>(names.flatMap((name) => [name, ...companions[name] ?? []]))]
}

/** The configuration with each URL made whole. */
export function completeUrls<T extends object> (config: T): T {
  const { databaseUrl, databaseCa, databaseCert, databaseKey, redisUrl, redisCa, redisCert, redisKey, allowPlainRedis } = config as Readonly<Record<string, string | undefined>>
  return Object.freeze({
    ...config,
    ...(databaseUrl !== undefined && { databaseUrl: withDatabaseTls(databaseUrl, { caFile: databaseCa, certFile: databaseCert, keyFile: databaseKey }) }),
    ...(redisUrl !== undefined && { redisUrl: withRedisTls(redisUrl, { caFile: redisCa, certFile: redisCert, keyFile: redisKey, allowPlain: Boolean(allowPlainRedis) }) })
  })
}

/** Does a value given as a flag hold a password? */
export function holdsPassword (value: unknown): boolean {
  if (typeof value !== 'string' || !URL.canParse(value)) return false
  const { password, searchParams } = new URL(value)
  return password !== '' || searchParams.has('password')
}
