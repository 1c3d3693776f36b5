// Slowed down, never dropped: what a device, or all together, may send a second. Real broker, real TLS.
import { test } from 'tap'
import { eventually, startTestBroker, type RawClient } from '../fixtures/broker.ts'

const pingreq = Buffer.from([0xc0, 0])

function publishes (client: RawClient, count: number, payload: Buffer | string = 'x'): Buffer {
  return Buffer.concat(Array.from({ length: count }, (_, i) => client.publish(i + 1, payload)))
}

function upTo (count: number): number[] {
  return Array.from({ length: count }, (_, i) => i + 1)
}

test('a device over its rate is slowed down to it: all is acknowledged, in order, and others do not notice [C7]', async (t) => {
  const { client, pki, broker } = await startTestBroker(t, { limits: { deviceMessagesPerSecond: 100 } })
  const [fast, other] = [await client(await pki.device()), await client(await pki.device())]
  const since = performance.now()
  fast.send(publishes(fast, 1_200))
  await fast.acked(900)
  t.ok(performance.now() - since < 2_000, 'ten seconds\' worth comes at once')
  await eventually(() => broker.stats().paused === 1, 'the socket to be paused')
  const asked = performance.now()
  other.send(other.publish(1))
  await other.acked(1)
  t.ok(performance.now() - asked < 1_000)
  t.strictSame(await fast.acked(1_200), upTo(1_200))
  const tookMs = performance.now() - since
  t.ok(tookMs > 1_500, `the rest at its rate: ${Math.round(tookMs)} ms`)
  t.ok(broker.stats().slowed >= 2)
  t.match(broker.stats(), { received: 1_201, messagesRefused: 0, pubacksSent: 1_201 })
  await eventually(() => broker.stats().paused === 0, 'the pause to end')
})

test('bytes bind as messages do; the wait does not count for keepalive, and the device is spoken to meanwhile', async (t) => {
  const { client, pki, broker } = await startTestBroker(t, { limits: { deviceBytesPerSecond: 500 } })
  const c = await client(await pki.device(), { keepalive: 1 })
  // 5,000 bytes at once, then 1,500 owed: three seconds without reading, twice what silence may last
  c.send(c.publish(1, Buffer.alloc(6_500)), c.publish(2), pingreq)
  t.strictSame(await c.acked(1), [1], 'what was read is acknowledged at once')
  t.equal(broker.stats().paused, 1)
  await c.next('pingresp')
  await c.next('pingresp')
  t.strictSame(c.pubacks, [1])
  t.strictSame(await c.acked(2), [1, 2])
  t.equal(broker.stats().refused['keepalive-timeout'], undefined)
})

test('all together are held to one rate, and it is shared out fairly [C7]', async (t) => {
  const { client, pki, broker } = await startTestBroker(t, { limits: { totalMessagesPerSecond: 200 } })
  const clients = await Promise.all(Array.from({ length: 4 }, async () => await client(await pki.device())))
  const since = performance.now()
  const ends = await Promise.all(clients.map(async (c) => {
    c.send(publishes(c, 150))
    await c.acked(150)
    return performance.now() - since
  }))
  t.ok(Math.max(...ends) > 1_200, `600 messages at 200 a second: ${Math.round(Math.max(...ends))} ms`)
  t.ok(broker.stats().slowed > 4)
  for (const c of clients) t.strictSame(c.pubacks, upTo(150))
  t.match(broker.stats(), { paused: 0, received: 600, messagesRefused: 0 })
})

test('a device that waits for its pace leaves without a trace', async (t) => {
  const { client, pki, broker } = await startTestBroker(t, { limits: { deviceMessagesPerSecond: 1, totalMessagesPerSecond: 5 } })
  const c = await client(await pki.device())
  c.send(publishes(c, 40))
  await eventually(() => broker.stats().paused === 1)
  broker.disconnect(c.id, 'enough')
  await c.closed
  await eventually(() => broker.stats().connections === 0)
  t.match(broker.stats(), { paused: 0, inFlight: { messages: 0, bytes: 0 } })
})

test('a device that connects again and again sends no more than one that stays: its pace is its own, not the connection\'s [C7]', async (t) => {
  const { client, pki, queue } = await startTestBroker(t, { limits: { deviceMessagesPerSecond: 20 } })
  const device = await pki.device()
  const since = performance.now()
  let sent = 0
  while (performance.now() - since < 2_500) {
    const c = await client(device)
    c.send(publishes(c, 210))
    sent += 210
    await Promise.race([c.acked(210), new Promise((resolve) => { setTimeout(resolve, 300) })])
    c.socket.destroy()
  }
  const seconds = (performance.now() - since) / 1_000
  t.ok(sent > 500, `${sent}`)
  t.ok(queue.all.length <= 200 + 20 * (seconds + 1), `${queue.all.length} of ${sent} in ${seconds.toFixed(1)} s`)
})
