// A whole broker behind mutual TLS: one connection an input, whose bytes are sent as they are, then the end of the stream. The
// connection must end in time and for a registered reason; another device, connected all the while, must get its PUBACK after each
// input; and nothing may be logged as an error. The first byte of an input says whether a good CONNECT goes ahead.
import { once } from 'node:events'
import { refusals } from '../../broker/refusals.ts'
import { type RawClient, startTestBroker, type TestBroker } from '../../test/fixtures/broker.ts'
import { Random } from '../../simulator/random.ts'
import { connect, deviceId, packet, stream } from '../packets.ts'
import { chance, type Subject, type Target } from '../target.ts'

const target: Target = {
  seeds: async () => Array.from({ length: 12 }, (_, i) => Buffer.concat([Buffer.from([i % 2]), packet(new Random('seed', i), deviceId)])),
  make: (random, known) => chance(random, 0.7)
    ? Buffer.concat([Buffer.from([1]), stream(random, deviceId, known)])
    : Buffer.concat([Buffer.from([0]), connect(random, deviceId), stream(random, deviceId, known)]),
  open,
  hangAfterMs: 20_000,
  growthBytes: 192 * 2 ** 20
}
export default target

async function open (): Promise<Subject> {
  const teardowns: Array<() => unknown> = []
  const bench = await startTestBroker({ teardown: (fn) => { teardowns.unshift(fn) } }, { limits: { farewellMs: 5_000, connectTimeoutMs: 10_000 } })
  const identity = await bench.pki.device(deviceId)
  const witness = await bench.client(await bench.pki.device())
  let witnessed = 0
  return {
    outcomes: new Set(['ended', ...Object.keys(refusals)]),
    run: async (input) => {
      const before = { ...bench.broker.stats().refused }
      await converse(bench, await bench.tls(identity), input)
      witness.send(witness.publish(++witnessed % 65_535 + 1))
      await witness.acked(witnessed)
      faultsIn(bench)
      // the harness keeps what came; a run of hours must not
      bench.queue.all.length = 0
      return Object.entries(bench.broker.stats().refused).find(([reason, count]) => count > (before[reason] ?? 0))?.[0] ?? 'ended'
    },
    close: async () => { for (const teardown of teardowns) await teardown() }
  }
}

async function converse (bench: TestBroker, client: RawClient, input: Buffer): Promise<void> {
  if (client.isClosed) return
  if (((input[0] ?? 0) & 1) === 1) {
    client.send(client.connect({ keepalive: 5 }))
    await client.next('connack').catch(() => {})
  }
  if (!client.isClosed) client.socket.end(input.subarray(1))
  await Promise.race([client.closed, once(client.socket, 'close').catch(() => {})])
  // the server's side of it is gone too, but for the witness
  while (bench.broker.stats().sessions > 1) await new Promise((resolve) => { setImmediate(resolve) })
}

function faultsIn ({ log }: TestBroker): void {
  const fault = log.find(({ level }) => level === 'error' || level === 'fatal')
  if (fault !== undefined) throw new Error(`the broker logged: ${JSON.stringify(fault)}`)
  log.length = 0
}
