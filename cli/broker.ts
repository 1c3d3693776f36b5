// `pulsegate broker`: the MQTT broker as a process of its own; any number of them, before one Redis.
import { join } from 'node:path'
import { Command } from 'commander'
import { type Config } from '../runtime/settings.ts'
import { auditDirOf } from './audit-process.ts'
import { limitSettings, limitsOf } from './broker-limits.ts'
import { addSettings, configOf } from './options.ts'
import { redisSettings } from './parts.ts'
import { needed } from './needed.ts'
import { adminOptions, adminSettings } from './serve-admin.ts'
import { type BrokerProcessOptions, serveBroker } from './serve-broker.ts'
import { runServer, serverSettings } from './server-process.ts'

const settings = ['redisUrl', 'databaseUrl', 'data', 'certs', 'certsPassphraseFile', 'auditDir', 'mqttHost', 'mqttPort', 'enrolment', 'registrationsPerMinute',
  ...adminSettings, ...redisSettings.slice(1), ...limitSettings, 'poolSize', 'statementTimeoutMs', ...serverSettings] as Array<BrokerSetting>
type BrokerSetting = 'databaseUrl' | 'data' | 'certs' | 'certsPassphraseFile' | 'auditDir' | 'mqttHost' | 'mqttPort' | 'enrolment' | 'registrationsPerMinute' |
  typeof adminSettings[number] | typeof limitSettings[number] | 'poolSize' | 'statementTimeoutMs' | typeof redisSettings[number] | typeof serverSettings[number]

const help = `
It takes messages from devices over mutual TLS, writes them to Redis Streams and answers PUBACK when Redis has them on disk;
\`pulsegate ingest\` stores them. Registry and pairings are in the database; the certificates are those of \`pulsegate certs\`
(init, then server <names>), read again when they change. SIGTERM drains within --grace, a second one stops at once.

Examples:
  REDIS_URL_FILE=/etc/pulsegate/redis-url DATABASE_URL_FILE=/etc/pulsegate/database-url pulsegate broker --certs /etc/pulsegate/certs --mqtt-host 0.0.0.0
  pulsegate broker --mqtt-port 8884 --health-port 9465        a second one on the same machine`

/** `between`: see serve-broker.ts. */
export function brokerCommand (between?: BrokerProcessOptions['between']): Command {
  return addSettings(new Command('broker'), settings)
    .description('The MQTT broker as a process of its own, handing messages over by Redis Streams.')
    .addHelpText('after', help)
    .action(async (_options: object, command: Command) => {
      const config: Config<BrokerSetting> = configOf(command, settings)
      const options = { ...optionsOf(config), ...(between && { between }) }
      process.exitCode = await runServer('pulsegate-broker', config, async (context) => { await serveBroker(options, context) })
    })
}

function optionsOf (config: Config<BrokerSetting>): BrokerProcessOptions {
  const { databaseUrl, redisUrl } = needed('broker', config)
  return {
    databaseUrl,
    redisUrl,
    redis: config,
    certs: config.certs ?? join(config.data, 'certs'),
    auditDir: auditDirOf(config),
    certsPassphraseFile: config.certsPassphraseFile,
    mqtt: { host: config.mqttHost, port: config.mqttPort },
    enrolment: config.enrolment ?? 'pending',
    ...adminOptions(config),
    registrationsPerMinute: config.registrationsPerMinute,
    poolSize: config.poolSize,
    statementTimeoutMs: config.statementTimeoutMs,
    limits: limitsOf(config)
  }
}
