import { test } from 'tap'
import { decodeMessage } from '../../schemas/decode.ts'
import { metricByName, metrics, rangeQuality, toPhysical } from '../../schemas/metrics.ts'
import { type Telemetry } from '../../schemas/telemetry.ts'
import { createFleet, simulatedKinds, type Fleet } from '../../simulator/fleet.ts'
import { type OutMessage } from '../../simulator/outbox.ts'
import { createRoutines } from '../../simulator/ward.ts'

const noon = Date.parse('2026-03-01T12:00:00Z')

interface Made { readonly device: Fleet['devices'][number], readonly messages: readonly OutMessage[] }

/** What each device says in the first `forMs`. */
function run ({ seed = 1, devices = 10, startedAtMs = noon, forMs = 20_000, rate }: { seed?: number, devices?: number, startedAtMs?: number, forMs?: number, rate?: number } = {}): Made[] {
  const fleet = createFleet({ seed, devices })
  return createRoutines({ fleet, startedAtMs, rate }).map((routine) => {
    const messages: OutMessage[] = []
    while (routine.dueMs !== null && routine.dueMs < startedAtMs + forMs) {
      const message = routine.act(routine.dueMs)
      if (message) messages.push(message)
    }
    return { device: routine.source.device, messages }
  })
}

function telemetryOf ({ messages }: Made): Telemetry[] {
  return messages.map(({ topic, payload }) => decodeMessage(topic, payload))
    .flatMap((decoded) => decoded.ok && decoded.message.kind === 'telemetry' ? [decoded.message] : [])
}

test('one seed and start give the same ward and the same bytes; another seed gives others', async (t) => {
  const bytes = (made: Made[]): Buffer[] => made.flatMap(({ messages }) => messages.map(({ payload }) => payload))
  t.strictSame(run(), run())
  const [one, other] = [bytes(run()), bytes(run({ seed: 2 }))]
  t.notOk(one.some((payload) => other.some((also) => payload.equals(also))))
})

test('a sensor gives the same bytes whatever the others of its patient were asked before', async (t) => {
  const startedAtMs = noon
  const fleet = createFleet({ seed: 1 })
  const payloads = (order: (routines: ReturnType<typeof createRoutines>) => ReturnType<typeof createRoutines>): Map<string, Buffer[]> => {
    const made = new Map<string, Buffer[]>()
    for (const routine of order(createRoutines({ fleet, startedAtMs }))) {
      const own: Buffer[] = []
      for (let act = 0; act < 30; act++) {
        const message = routine.act(routine.dueMs ?? 0)
        if (message) own.push(message.payload)
      }
      made.set(routine.source.device.id, own)
    }
    return made
  }
  const forwards = payloads((routines) => routines)
  const backwards = payloads((routines) => routines.reverse())
  for (const [id, own] of forwards) t.ok(own.every((payload, at) => payload.equals(backwards.get(id)?.[at] ?? Buffer.alloc(0))), id)
})

test('the default ward: every kind, at least eight devices, two sensors behind one gateway, all heard within 20 s', async (t) => {
  const made = run()
  t.ok(made.length >= 8)
  t.strictSame(new Set(made.map(({ device }) => device.kind)), new Set(simulatedKinds))
  const relayed = made.filter(({ device }) => device.via !== null)
  t.equal(relayed.length, 2)
  t.equal(new Set(relayed.map(({ device }) => device.via)).size, 1)
  for (const { device, messages } of made) t.ok(messages.length >= 3, `${device.kind}: ${messages.length} messages`)
})

test('every message decodes, says it is simulated, and keeps within what its metrics allow', async (t) => {
  for (const made of run({ forMs: 120_000 })) {
    const { device, messages } = made
    const telemetry = telemetryOf(made)
    t.equal(telemetry.length, messages.length - 1, `${device.kind}: one birth, the rest telemetry`)
    t.ok(telemetry.every(({ flags, header }) => flags === 4 && header.clock?.source === 2))
    const samples = telemetry.flatMap((message) => message.samples)
    const known = samples.every(({ metric }) => metrics.find(({ id }) => id === metric)?.kinds.includes(device.kind))
    t.ok(known, `${device.kind}: only metrics of its kind`)
    const bad = samples.filter(({ metric, value, quality }) => {
      const entry = metrics.find(({ id }) => id === metric)
      return entry && value !== null ? rangeQuality(entry, toPhysical(entry, value)) !== 0 : quality === 0
    })
    t.strictSame(bad, [], `${device.kind}: plausible`)
  }
})

test('wave blocks follow one another without a gap or an overlap, at any rate', async (t) => {
  for (const rate of [0.5, 1, 3, 7]) {
    for (const made of run({ rate, forMs: 10_000 })) {
      let nextMs: number | null = null
      for (const { header, waves } of telemetryOf(made)) {
        for (const wave of waves) {
          const fromMs = (header.baseWallMs ?? 0) + wave.dtMs
          if (nextMs !== null) t.equal(fromMs, nextMs, `${made.device.kind} at ${rate}/s`)
          nextMs = fromMs + wave.values.length * wave.periodUs / 1_000
        }
      }
    }
  }
})

test('a blood-pressure reading is one message: its components at one dt', async (t) => {
  const cuff = run({ forMs: 60_000 }).find(({ device }) => device.kind === 'bp-cuff')
  t.ok(cuff)
  const ids = ['systolic-pressure', 'diastolic-pressure', 'mean-pressure'].map((name) => metricByName(name)?.id)
  for (const { samples } of telemetryOf(cuff ?? { device: {} as Made['device'], messages: [] })) {
    const components = ids.map((id) => samples.filter(({ metric }) => metric === id))
    t.ok(components.every((found) => found.length === 1 && found[0]?.dtMs === 0))
    const [systolic, diastolic, mean] = components.map((found) => found[0]?.value ?? null)
    if (systolic != null && diastolic != null && mean != null) t.ok(diastolic < mean && mean < systolic)
  }
})

test('wards of any size: gateways never without their two sensors, ids unique, and kinds on demand for load', async (t) => {
  for (const size of [1, 7, 8, 9, 10, 18, 23, 1_000]) {
    const { devices, pairings } = createFleet({ seed: 3, devices: size })
    t.equal(devices.length, size)
    t.equal(new Set(devices.map(({ id }) => id)).size, size)
    for (const { id } of devices.filter(({ kind }) => kind === 'gateway')) t.equal(pairings.filter(({ gateway }) => gateway === id).length, 2)
  }
  const load = createFleet({ seed: 3, devices: 50, kinds: ['thermometer'] })
  t.ok(load.devices.every(({ kind, via }) => kind === 'thermometer' && via === null))
})
