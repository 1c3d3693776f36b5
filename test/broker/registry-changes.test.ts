// A change of a device's state told to the broker: a session that lives ends with the state as its reason, a device on its way in is
// judged by the new state, and what was remembered for an outage of the registry is void.
import { test } from 'tap'
import { eventually, startTestBroker } from '../fixtures/broker.ts'

test('a device that is active no more loses its session, with its state as the reason; others do not notice [C6]', async (t) => {
  const { broker, client, pki } = await startTestBroker(t)
  const innocent = await client(await pki.device())
  for (const state of ['pending', 'suspended', 'retired'] as const) {
    const device = await client(await pki.device())
    broker.registryChanged(device.id, state)
    await device.closed
    t.equal(broker.stats().refused[state], 1)
    broker.registryChanged(device.id, state) // told twice
    t.equal(broker.stats().refused[state], 1)
  }
  broker.registryChanged(innocent.id, 'active')
  innocent.send(innocent.publish(1))
  t.strictSame(await innocent.acked(1), [1])
})

test('what was remembered is void: a device suspended while it was away does not come in when the registry is away [C6]', async (t) => {
  const { broker, client, tls, pki, registry } = await startTestBroker(t)
  const [suspended, other] = [await pki.device(), await pki.device()]
  for (const device of [suspended, other]) (await client(device)).socket.destroy()
  await eventually(() => broker.stats().connections === 0)
  t.strictSame(new Set(broker.knownIds()), new Set([suspended.id, other.id]), 'those that are remembered are looked after')
  broker.registryChanged(suspended.id, 'suspended')
  registry.away = new Error('connection refused')
  await client(other)
  const refused = await tls(suspended)
  refused.send(refused.connect())
  t.equal((await refused.next('connack')).returnCode, 3)
})

test('a change that comes while the registry is asked is not undone by the older answer [C6]', async (t) => {
  const { broker, tls, pki, registry } = await startTestBroker(t)
  const device = await pki.device()
  let asked = 0
  registry.admit = async (id) => {
    // the first answer was read before the change and arrives after it
    if (++asked === 1) broker.registryChanged(id, 'suspended')
    return { id, state: asked === 1 ? 'active' : 'suspended', firstSeen: false }
  }
  const c = await tls(device)
  c.send(c.connect())
  t.equal((await c.next('connack')).returnCode, 5)
  t.equal(asked, 2, 'asked again')
  t.equal(broker.stats().refused['suspended'], 1)
  await c.closed
  registry.admit = async () => { throw new Error('away') }
  const back = await tls(device)
  back.send(back.connect())
  t.equal((await back.next('connack')).returnCode, 3, 'nor remembered')
})

test('a registry that changes at every question is not asked for ever', async (t) => {
  const { broker, tls, pki, registry } = await startTestBroker(t)
  let asked = 0
  registry.admit = async (id) => {
    asked++
    broker.registryChanged(id, 'suspended')
    return { id, state: 'active', firstSeen: false }
  }
  const c = await tls(await pki.device())
  c.send(c.connect())
  t.equal((await c.next('connack')).returnCode, 5)
  t.equal(asked, 3)
})

test('a change between the answer and the first moment of the session is not lost', async (t) => {
  const { broker, client, tls, pki, log } = await startTestBroker(t)
  const device = await pki.device()
  const older = await client(device)
  // the line of the older session's end is written while the newer one, let in by the registry, waits for that end
  log.push = (line) => {
    if (line['reason'] === 'displaced') broker.registryChanged(device.id, 'suspended')
    return Array.prototype.push.call(log, line)
  }
  const newer = await tls(device)
  newer.send(newer.connect())
  t.equal((await newer.next('connack')).returnCode, 5)
  await Promise.all([older.closed, newer.closed])
  await eventually(() => broker.stats().connections === 0)
  t.match(broker.stats().refused, { displaced: 1, suspended: 1 })
})
