// The server process of `bench accept` and `bench connections`: the broker, a queue that acknowledges at once, and a
// registry that admits everybody. Takes the files of `Identities` as one JSON argument; says where it listens.
import { startBroker } from '../../broker/broker.ts'
import { quietObservability } from '../../runtime/observability.ts'
import { AcceptQueue } from '../accept-queue.ts'
import { type Identities } from '../identities.ts'
import { say, untilStopped } from './say.ts'

const { keyFile, certFile, caFile, crlFiles } = JSON.parse(process.argv[2] ?? '') as Identities

const broker = await startBroker({
  host: '127.0.0.1',
  port: 0,
  tls: { keyFile, certFile, caFile, crlFiles },
  queue: new AcceptQueue(),
  // one address is all the load there is, and far more than a device may send
  limits: { maxConnectionsPerAddress: 1_000_000, handshakesPerAddress: 1_000_000, deviceMessagesPerSecond: 1_000_000_000, deviceBytesPerSecond: 1_000_000_000_000 },
  registry: { admit: async (id) => ({ id, state: 'active', firstSeen: false }) },
  observability: quietObservability()
})
say({ event: 'listening', port: broker.address.port })
await untilStopped()
broker.drain()
await broker.close({ graceMs: 1_000 })
process.exit(0)
