import { test } from 'tap'
import { startTestBroker } from '../fixtures/broker.ts'

test('a PUBLISH is acknowledged when the queue has made it durable, and not before', async (t) => {
  const { queue, client, pki, broker } = await startTestBroker(t)
  const device = await pki.device()
  const c = await client(device)
  queue.held = true
  c.send(c.publish(7, 'hello'))
  await queue.has(1)
  const [envelope] = queue.all
  t.match(envelope, { publisher: device.id, kind: 'telemetry' })
  t.equal(envelope?.payload.toString(), 'hello')
  c.send(Buffer.from([0xc0, 0])) // PINGREQ is answered while the commit is slow
  await c.next('pingresp')
  t.strictSame(c.pubacks, [])
  t.match(broker.stats(), { received: 1, inFlight: { messages: 1, bytes: 5 } })
  queue.release()
  t.strictSame(await c.acked(1), [7])
  t.match(broker.stats(), { received: 1, pubacksSent: 1, inFlight: { messages: 0, bytes: 0 }, connections: 1, sessions: 1 })
})
