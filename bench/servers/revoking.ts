// The server process of `bench revocation`: the broker with a queue that acknowledges at once, and what a running Pulsegate does to
// keep its revocation lists up to date. Takes the authority's folder as one JSON argument; says where it listens.
import { startBroker } from '../../broker/broker.ts'
import { authorityPaths } from '../../certs/files.ts'
import { keepCertificates } from '../../cli/keep-certificates.ts'
import { tlsFilesOf } from '../../cli/parts.ts'
import { quietObservability } from '../../runtime/observability.ts'
import { AcceptQueue } from '../accept-queue.ts'
import { say, untilStopped } from './say.ts'

const paths = authorityPaths(JSON.parse(process.argv[2] ?? '""') as string)
const observability = quietObservability()
const broker = await startBroker({
  host: '127.0.0.1',
  port: 0,
  tls: tlsFilesOf(paths),
  queue: new AcceptQueue(),
  registry: { admit: async (id) => ({ id, state: 'active', firstSeen: false }) },
  observability
})
const stopKeeping = keepCertificates({ paths, broker, log: observability.log })
say({ event: 'listening', port: broker.address.port })
await untilStopped()
stopKeeping()
broker.drain()
await broker.close({ graceMs: 1_000 })
process.exit(0)
