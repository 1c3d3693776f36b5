// The two addresses that a process of its own cannot do without.
import { PulsegateError } from '../runtime/errors.ts'

/** Throws REDIS_REQUIRED or CONFIG_INVALID, naming the flag and the variable. */
export function needed (command: string, { redisUrl, databaseUrl }: { readonly redisUrl?: string, readonly databaseUrl?: string }): { redisUrl: string, databaseUrl: string } {
  if (redisUrl === undefined) throw new PulsegateError('REDIS_REQUIRED', `\`pulsegate ${command}\` needs the Redis that broker and ingest share: give --redis-url or REDIS_URL`)
  if (databaseUrl === undefined) throw new PulsegateError('CONFIG_INVALID', `\`pulsegate ${command}\` needs the database: give --database-url or DATABASE_URL`)
  return { redisUrl, databaseUrl }
}
