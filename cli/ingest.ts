// `pulsegate ingest`: the ingest worker as a process of its own; any number of them share the partitions in Redis.
import { Command } from 'commander'
import { type Config } from '../runtime/settings.ts'
import { auditDirOf } from './audit-process.ts'
import { keySettingNames, keySettingsOf } from './master-key.ts'
import { needed } from './needed.ts'
import { addSettings, configOf } from './options.ts'
import { redisSettings } from './parts.ts'
import { serveIngest } from './serve-ingest.ts'
import { runServer, serverSettings } from './server-process.ts'

const settings = ['redisUrl', 'databaseUrl', 'auditDir', ...redisSettings.slice(1), 'retentionMs', 'batchMessages', 'batchAgeMs', 'poolSize', 'statementTimeoutMs',
  ...keySettingNames, ...serverSettings] as Array<IngestSetting>
type IngestSetting = 'databaseUrl' | 'auditDir' | 'retentionMs' | 'batchMessages' | 'batchAgeMs' | 'poolSize' | 'statementTimeoutMs' |
  typeof redisSettings[number] | typeof keySettingNames[number] | typeof serverSettings[number]

const help = `
It migrates the database, then decodes what \`pulsegate broker\` has put into Redis and stores it. Workers share the partitions, take
over those of a dead one after --lease, and hand theirs over when they stop. SIGTERM drains within --grace, a second one stops at once.
What goes to quarantine is sealed: it needs the master key (--master-key; \`pulsegate keys init\` makes one), the same in all workers.

Examples:
  REDIS_URL_FILE=/etc/pulsegate/redis-url DATABASE_URL_FILE=/etc/pulsegate/database-url pulsegate ingest --master-key /etc/pulsegate/master.key
  pulsegate ingest --health-port 9466        a second one on the same machine`

export function ingestCommand (): Command {
  return addSettings(new Command('ingest'), settings)
    .description('The ingest worker as a process of its own: from Redis Streams to the database.')
    .addHelpText('after', help)
    .action(async (_options: object, command: Command) => {
      const config: Config<IngestSetting> = configOf(command, settings)
      const options = {
        ...needed('ingest', config),
        redis: config,
        auditDir: auditDirOf(config),
        retentionMs: config.retentionMs,
        keys: keySettingsOf(config),
        batch: { maxMessages: config.batchMessages, maxAgeMs: config.batchAgeMs },
        poolSize: config.poolSize,
        statementTimeoutMs: config.statementTimeoutMs
      }
      process.exitCode = await runServer('pulsegate-ingest', config, async (context) => { await serveIngest(options, context) })
    })
}
