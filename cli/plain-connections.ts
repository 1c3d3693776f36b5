// Says it, again and again, when patients' values travel unencrypted to another machine: only on explicit demand, and never quietly.
import { isPlainAndRemote } from '../ingest/database-tls.ts'
import { isPlainAndRemoteRedis } from '../queue/redis/redis-tls.ts'
import { type Health } from '../runtime/health.ts'
import { type Logger } from '../runtime/observability.ts'

/** What is not encrypted of these; empty when all is, or stays on this machine. */
export function plainConnections ({ databaseUrl, redisUrl }: { readonly databaseUrl?: string, readonly redisUrl?: string }): string[] {
  return [
    ...(databaseUrl !== undefined && isPlainAndRemote(databaseUrl) ? ['database'] : []),
    ...(redisUrl !== undefined && isPlainAndRemoteRedis(redisUrl) ? ['redis'] : [])
  ]
}

/** In the log at the start, and in /readyz as long as the process runs. Errors: REDIS_PLAIN_REFUSED, CONFIG_INVALID. */
export function warnOfPlainConnections (urls: { readonly databaseUrl?: string, readonly redisUrl?: string }, { health, log }: { readonly health: Health, readonly log: Logger }): void {
  const plain = plainConnections(urls)
  for (const to of plain) log.warn({ to }, 'this connection leaves the machine unencrypted, as the URL demands: patients\' values can be read on the way')
  if (plain.length > 0) health.register('encryption', () => ({ ready: true, reason: `not encrypted: ${plain.join(', ')}` }))
}
