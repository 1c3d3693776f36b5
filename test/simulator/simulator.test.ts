import { setTimeout } from 'node:timers/promises'
import { test } from 'tap'
import { compareLedger, type StoredEvidence } from '../../simulator/ledger-compare.ts'
import { type Recorded } from '../fixtures/recording-broker.ts'
import { identityOf, simulatedWard } from '../fixtures/simulated-ward.ts'

/** For what only the simulator itself knows; for what arrives there is `broker.until`. */
async function until (condition: () => boolean): Promise<void> {
  while (!condition()) await setTimeout(5)
}

/** What a database would hold: each message once. */
function storedOf (recorded: readonly Recorded[]): StoredEvidence[] {
  const once = new Map(recorded.map((entry) => [identityOf(entry), entry]))
  return [...once.values()].map(({ source, message }) => ({
    device: source,
    boot: message.header.boot,
    seq: message.header.seq,
    samples: message.kind === 'telemetry' ? message.samples.length : 0,
    waves: message.kind === 'telemetry' ? message.waves.length : 0
  }))
}

test('a ward connects with its own certificates, says birth first, counts seq up and leaves nothing unacknowledged', async (t) => {
  const { broker, fleet, start } = await simulatedWard(t, { seed: 7, devices: 10 })
  const simulator = await start()
  await broker.until(() => new Set(broker.recorded.map(({ source }) => source)).size === 10 && broker.recorded.length > 100)
  t.ok(await simulator.drain({ graceMs: 10_000 }), 'all acknowledged')

  for (const device of fleet.devices) {
    const own = broker.recorded.filter(({ source }) => source === device.id)
    t.equal(own[0]?.message.kind, 'birth', `${device.kind}: birth first`)
    t.strictSame(own.map(({ message }) => message.header.seq), own.map((_, index) => index), `${device.kind}: seq from 0, +1 each`)
    t.ok(own.every(({ publisher }) => publisher === (device.via ?? device.id)), `${device.kind}: through ${device.via ? 'its gateway' : 'its own connection'}`)
  }
  const { acknowledged, made, outstanding, connected, connections, ackLatency } = simulator.stats()
  t.equal(acknowledged, made)
  t.equal(outstanding, 0)
  t.equal(connected, connections)
  t.equal(connections, 8, 'two of ten speak through a gateway')
  t.ok((ackLatency.p50Ms ?? 0) > 0 && (ackLatency.p99Ms ?? 0) >= (ackLatency.p50Ms ?? 0))
  t.match(await compareLedger(simulator.ledger.entries(), storedOf(broker.recorded)), { agrees: true, acknowledged: made })
})

test('a message whose PUBACK never came is sent again after the reconnect: same identity, same bytes, DUP, oldest first', async (t) => {
  const { broker, start } = await simulatedWard(t, { seed: 7, devices: 2 })
  broker.hold()
  const simulator = await start({ inFlight: 4 })
  await until(() => simulator.stats().sent === 8 && broker.recorded.length >= 2)
  const before = [...broker.recorded]
  t.equal(simulator.stats().acknowledged, 0)
  broker.cutAll()
  broker.release()
  await until(() => simulator.stats().resent === 8)
  t.ok(await simulator.drain({ graceMs: 10_000 }))

  for (const first of before) {
    const again = broker.recorded.slice(before.length).find((entry) => identityOf(entry) === identityOf(first))
    t.ok(again?.dup, 'marked as a resend')
    t.ok(again?.payload.equals(first.payload), 'byte for byte')
  }
  for (const source of new Set(before.map((entry) => entry.source))) {
    // what was on its way when the connections were cut may still be recorded, without DUP
    const seqs = broker.recorded.slice(before.length).filter((entry) => entry.source === source && entry.dup).map(({ message }) => message.header.seq)
    t.strictSame(seqs, [...seqs].sort((a, b) => a - b), 'in order')
  }
  const stats = simulator.stats()
  t.equal(stats.resent, 8)
  t.equal(stats.acknowledged, stats.made)
  t.match(await compareLedger(simulator.ledger.entries(), storedOf(broker.recorded)), { agrees: true, duplicates: 0 })
})

test('a new process sends what the old one left, under the old boot, and begins a boot of its own', async (t) => {
  const { broker, start } = await simulatedWard(t, { seed: 7, devices: 2 })
  broker.hold()
  const first = await start()
  await until(() => first.stats().sent >= 10 && broker.recorded.length >= 2)
  t.equal(await first.drain({ graceMs: 1 }), false, 'nothing was acknowledged')
  const left = [...first.outstanding()]
  await first.close()
  broker.release()
  const before = [...broker.recorded]

  const second = await start()
  const boots = (): Set<bigint> => new Set(broker.recorded.map(({ message }) => message.header.boot))
  await broker.until(() => boots().size >= 4)
  t.ok(await second.drain({ graceMs: 10_000 }))
  t.equal(second.stats().acknowledged, second.stats().made + left.length)
  for (const { device, boot, seq } of left) {
    const copies = broker.recorded.filter((entry) => identityOf(entry) === `${device}/${boot}/${seq}`)
    t.ok(copies.length >= 1, `seq ${seq} arrived`)
    t.ok(copies.every(({ payload }) => payload.equals(copies[0]?.payload ?? Buffer.alloc(0))), 'byte for byte')
  }
  t.ok(before.every((entry) => entry.message.header.boot < (second.ledger.boots.at(-1)?.boot ?? 0n)), 'boot ids ascend')
  t.match(await compareLedger(second.ledger.entries(), storedOf(broker.recorded)), { agrees: true })
})

test('a full outbox keeps the oldest, spends the seq of what it drops, and the ledger counts it', async (t) => {
  const { broker, start } = await simulatedWard(t, { seed: 7, devices: 1 })
  broker.hold()
  const simulator = await start({ rate: 100, outboxLimits: { messagesPerPublisher: 20, bytes: 1_000_000 } })
  await until(() => simulator.stats().dropped > 0)
  t.equal(simulator.stats().outstanding, 20)
  broker.release()
  t.ok(await simulator.drain({ graceMs: 10_000 }))
  const [boot] = simulator.ledger.boots
  t.ok(boot)
  if (!boot) return
  t.equal(boot.acknowledged.toArray()[0]?.[1], 19, 'the oldest twenty arrived')
  t.equal(boot.dropped.toArray()[0]?.[0], 20, 'the next ones are the gap')
  t.equal(boot.acknowledged.size + boot.dropped.size, simulator.stats().made, 'every seq is accounted for')
})
