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

test('a pairing is seen at once', async (t) => {
  const { database, registry } = await ingestBench(t)
  const lookup = new Lookup(database, () => 0)
  const devices = await lookup.devices(new Set([deviceId(1), deviceId(2)]))
  const pair = `${devices.get(deviceId(1))!.key}:${devices.get(deviceId(2))!.key}`
  t.strictSame((await lookup.pairings(new Set([pair]))).get(pair), [])
  await registry.pair(deviceId(1), deviceId(2))
  t.equal((await lookup.pairings(new Set([pair]))).get(pair)?.length, 1)
})
