import { test } from 'tap'
import { Lookup } from '../../ingest/lookup.ts'
import { ingestBench } from '../fixtures/ingest.ts'
import { deviceId } from '../fixtures/deliveries.ts'

test('an approval is seen at once, a suspension within a second', async (t) => {
  const { database, registry } = await ingestBench(t)
  let nowMs = 0
  const lookup = new Lookup(database, () => nowMs)
  const device = deviceId(1)
  const state = async (): Promise<string | undefined> => (await lookup.devices(new Set([device]))).get(device)?.state
  await registry.setState(device, 'pending')
  t.equal(await state(), 'pending')
  await registry.setState(device, 'active')
  t.equal(await state(), 'active', 'an answer that refuses is asked again')
  await registry.setState(device, 'suspended')
  t.equal(await state(), 'active', 'an answer that admits is good for a second')
  nowMs = 1_000
  t.equal(await state(), 'suspended')
  t.equal((await lookup.devices(new Set([deviceId(99)]))).size, 0)
  await registry.register([{ id: deviceId(99) }])
  t.equal((await lookup.devices(new Set([deviceId(99)]))).size, 1, 'a device is known as soon as it is registered')
})

test('a pairing is seen at once, its end within a second, and both at once when they are heard of', async (t) => {
  const { database, owner, registry } = await ingestBench(t)
  let nowMs = 0
  const lookup = new Lookup(database, () => nowMs)
  const devices = await lookup.devices(new Set([deviceId(1), deviceId(2)]))
  const [gateway, sensor] = [devices.get(deviceId(1))!.key, devices.get(deviceId(2))!.key]
  const now = Date.now()
  const periods = async (timeMs: number): Promise<Array<[number, number]>> =>
    (await lookup.pairings(new Map([[`${gateway}:${sensor}`, [timeMs]]]))).get(`${gateway}:${sensor}`)!.map(({ fromMs, toMs }) => [fromMs - now, toMs - now])
  const end = (atMs: number): Promise<unknown> => owner.query('UPDATE pairing SET period = tstzrange(lower(period), $1) WHERE upper_inf(period)', [new Date(atMs)])
  t.strictSame(await periods(now), [])
  await registry.pair(deviceId(1), deviceId(2), now)
  t.strictSame(await periods(now), [[0, Infinity]])
  await end(now + 10)
  t.strictSame(await periods(now + 10), [[0, Infinity]], 'an answer that admits is good for a second')
  lookup.forget({ gateway, sensor })
  t.strictSame(await periods(now + 10), [[0, 10]], 'or until it is heard of')
  await registry.pair(deviceId(1), deviceId(2), now + 20)
  t.strictSame(await periods(now + 5), [[0, 10]], 'remembered')
  t.strictSame(await periods(now + 20), [[0, 10], [20, Infinity]], 'an answer that refuses is never taken from memory')
  await end(now + 30)
  lookup.forget('unknown')
  t.strictSame(await periods(now + 20), [[0, 10], [20, 30]])
  // asked before, heard while it was on its way
  nowMs = 2_000
  const asked = periods(now + 20)
  lookup.forget({ gateway, sensor })
  await asked
  await registry.pair(deviceId(1), deviceId(2), now + 40)
  t.strictSame(await periods(now + 20), [[0, 10], [20, 30], [40, Infinity]], 'such an answer is not kept')
  const states = async (): Promise<string | undefined> => (await lookup.devices(new Set([deviceId(1)]))).get(deviceId(1))?.state
  t.equal(await states(), 'active')
  await registry.setState(deviceId(1), 'suspended')
  lookup.forget({ device: deviceId(1) })
  t.equal(await states(), 'suspended')
})
