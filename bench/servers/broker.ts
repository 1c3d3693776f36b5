// The broker process of `bench streams`: what `pulsegate broker` composes, on a given Redis and database and with the bench's
// certificates. Logs warnings to stderr.
import { dirname, join } from 'node:path'
import { serveBroker } from '../../cli/serve-broker.ts'
import { runServer } from '../../cli/server-process.ts'
import { type Identities } from '../identities.ts'
import { say } from './say.ts'
import { serverConfig } from './server-settings.ts'

const { caFile, databaseUrl, redisUrl } = JSON.parse(process.argv[2] ?? '') as Identities & { databaseUrl: string, redisUrl: string }

process.exit(await runServer('pulsegate-broker', serverConfig, async (context) => {
  const broker = await serveBroker({
    databaseUrl,
    redisUrl,
    redis: serverConfig,
    certs: dirname(caFile),
    auditDir: join(dirname(caFile), 'audit-trail'),
    mqtt: { host: '127.0.0.1', port: 0 },
    enrolment: 'active',
    limits: { deviceMessagesPerSecond: 1_000_000_000, deviceBytesPerSecond: 1_000_000_000_000 }
  }, context)
  say({ event: 'listening', port: broker.address.port })
}))
