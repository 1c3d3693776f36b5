// The server process of `bench end-to-end`: everything that `pulsegate up` composes, metrics included, on a given database
// and with the bench's certificates. Logs warnings to stderr.
import { dirname } from 'node:path'
import { serve } from '../../cli/serve.ts'
import { Lifecycle } from '../../runtime/lifecycle.ts'
import { createLogger } from '../../runtime/log.ts'
import { startTelemetry } from '../../runtime/telemetry.ts'
import { type Identities } from '../identities.ts'
import { say, untilStopped } from './say.ts'

const retentionMs = 30 * 86_400_000

const { caFile, databaseUrl } = JSON.parse(process.argv[2] ?? '') as Identities & { databaseUrl: string }
const certs = dirname(caFile)

const log = createLogger({ level: 'warn', destination: process.stderr })
const telemetry = await startTelemetry({ serviceName: 'pulsegate' })
const lifecycle = new Lifecycle({ log })
lifecycle.onClose('telemetry', () => telemetry.close())
const { broker } = await serve({
  data: certs,
  certs,
  databaseUrl,
  mqtt: { host: '127.0.0.1', port: 0 },
  serverNames: ['localhost', '127.0.0.1'],
  health: { host: '127.0.0.1', port: 0 },
  enrolment: 'active',
  retentionMs,
  limits: { deviceMessagesPerSecond: 1_000_000_000, deviceBytesPerSecond: 1_000_000_000_000 } // few devices stand for many
}, { lifecycle, observability: { log, meter: telemetry.meter, tracer: telemetry.tracer }, metricsText: () => telemetry.prometheusText() })
say({ event: 'listening', port: broker.address.port })
await untilStopped()
await lifecycle.close()
process.exit(0)
