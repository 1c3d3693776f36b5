// What the separate processes of `bench streams` are set to: the defaults that are shipped, free ports, warnings only.
import { loadConfig } from '../../runtime/config.ts'
import { type Config, pick } from '../../runtime/settings.ts'
import { redisSettings, type RedisConfig } from '../../cli/parts.ts'
import { type ServerConfig, serverSettings } from '../../cli/server-process.ts'

type Batch = Config<'batchMessages' | 'batchAgeMs'>

export const serverConfig: ServerConfig & RedisConfig & Batch = loadConfig(
  pick(...serverSettings, ...redisSettings, 'batchMessages', 'batchAgeMs'),
  { flags: { healthPort: '0', logLevel: 'warn' }, env: {} }
)

/** As in servers/pulsegate.ts. */
export const retentionMs = 30 * 86_400_000
