import { test } from 'tap'
import { decodeMessage } from '../../schemas/decode.ts'
import { metricByName } from '../../schemas/metrics.ts'
import { type Telemetry } from '../../schemas/telemetry.ts'
import { createFleet } from '../../simulator/fleet.ts'
import { createPlayback, type PlaybackOptions } from '../../simulator/playback.ts'
import { createRoutines } from '../../simulator/ward.ts'
import { checksum16, readWfdb, type WfdbRecord } from '../../simulator/wfdb.ts'
import { simulatedWard } from '../fixtures/simulated-ward.ts'
import { realRecord, smallRecord, writeRecord } from '../fixtures/wfdb.ts'

const nowMs = Date.parse('2026-03-01T12:00:00Z')

interface Played { readonly values: Int16Array, readonly startMs: number, readonly endMs: number, readonly scaleNano: number, readonly offset: number, readonly flags: number }

/** Plays `record` to its end without waiting, and puts each metric's blocks together again; fails when they do not join. */
function playThrough (record: WfdbRecord, options: PlaybackOptions): { played: Map<number, Played>, lastDueMs: number } {
  const playback = createPlayback(record, options)
  const fleet = createFleet({ seed: 1, devices: playback.kinds.length, kinds: playback.kinds })
  const blocks = new Map<number, Array<{ message: Telemetry, wave: Telemetry['waves'][number] }>>()
  let lastDueMs = 0
  for (const routine of createRoutines({ fleet, startedAtMs: nowMs, playback })) {
    for (let dueMs = routine.dueMs; dueMs !== null; dueMs = routine.dueMs) {
      lastDueMs = Math.max(lastDueMs, dueMs)
      const made = routine.act(dueMs)
      const decoded = made && decodeMessage(made.topic, made.payload)
      if (!decoded?.ok || decoded.message.kind !== 'telemetry') continue
      for (const wave of decoded.message.waves) {
        const known = blocks.get(wave.metric)
        if (known) known.push({ message: decoded.message, wave })
        else blocks.set(wave.metric, [{ message: decoded.message, wave }])
      }
    }
  }
  const played = new Map<number, Played>()
  for (const [metric, parts] of blocks) {
    const times = parts.map(({ message, wave }) => (message.header.baseWallMs ?? 0) + wave.dtMs)
    const ends = parts.map(({ wave }, at) => (times[at] ?? 0) + wave.values.length * wave.periodUs / 1_000)
    if (!times.every((time, at) => at === 0 || Math.abs(time - (ends[at - 1] ?? 0)) <= 0.5)) throw new Error(`blocks of metric ${metric} do not join`)
    const [first] = parts
    if (!first) continue
    played.set(metric, {
      values: Int16Array.from(parts.flatMap(({ wave }) => [...wave.values])),
      startMs: times[0] ?? 0,
      endMs: ends.at(-1) ?? 0,
      scaleNano: first.wave.scaleNano,
      offset: first.wave.offset,
      flags: first.message.flags
    })
  }
  return { played, lastDueMs }
}

function metricId (name: string): number {
  return metricByName(name)?.id ?? -1
}

for (const [what, options] of [['in real time', {}], ['ten times as fast', { speed: 10 }]] as const) {
  test(`a record played ${what} is the record: every raw value, joined blocks, the scale of its header`, async (t) => {
    const made = smallRecord()
    const { played, lastDueMs } = playThrough(await readWfdb(writeRecord(t.testdir(), made)), options)
    const expected = [['ecg-lead-ii', 0, 1e12 / 2281, 12], ['pleth', 1, 800_000, 0], ['respiration-impedance', 2, 1e9 / 38880, -3]] as const
    t.equal(played.size, expected.length)
    for (const [name, index, scaleNano, offset] of expected) {
      const channel = played.get(metricId(name))
      t.strictSame([...channel?.values ?? []], made.signals[index]?.values, name)
      t.match(channel, { scaleNano: Math.round(scaleNano), offset })
      const fast = 'speed' in options
      t.equal(channel?.startMs, fast ? nowMs - 7_300 : nowMs)
      t.ok((channel?.endMs ?? Infinity) <= (fast ? nowMs : lastDueMs), 'nothing from the future')
      t.equal(channel?.flags, fast ? 5 : 4)
    }
    t.equal(lastDueMs - nowMs, 'speed' in options ? 730 : 7_300)
  })
}

test('a channel nobody here measures is named; a record of nothing else is refused', async (t) => {
  const made = smallRecord()
  const { skipped } = createPlayback(await readWfdb(writeRecord(t.testdir(), made)))
  t.strictSame(skipped, [{ name: 'ABP', reason: 'no simulated device measures it' }])
  const only = await readWfdb(writeRecord(t.testdir(), { ...made, signals: made.signals.slice(3) }))
  t.throws(() => createPlayback(only), { code: 'WFDB_UNSUPPORTED', message: /ABP/ })
  t.throws(() => createPlayback(only, { speed: 0 }), { code: 'CONFIG_INVALID' })
  t.throws(() => createPlayback(only, { speed: 2, loop: true }), { code: 'CONFIG_INVALID' })
})

test('a loop goes on in time and in seq, and never ends', async (t) => {
  const playback = createPlayback(await readWfdb(writeRecord(t.testdir(), smallRecord())), { loop: true })
  const fleet = createFleet({ seed: 1, devices: 1, kinds: ['pulse-oximeter'] })
  const [routine] = createRoutines({ fleet, startedAtMs: nowMs, playback })
  let nextMs = nowMs
  for (let act = 0; act < 30; act++) {
    const made = routine?.act(routine.dueMs ?? NaN)
    const decoded = made && decodeMessage(made.topic, made.payload)
    t.ok(decoded?.ok && decoded.message.header.seq === act)
    if (!decoded?.ok || decoded.message.kind !== 'telemetry') continue
    t.equal(decoded.message.header.baseWallMs, nextMs)
    nextMs += (decoded.message.waves[0]?.values.length ?? 0) * 4
  }
})

test('a record goes over the wire to its end; the simulator says when', async (t) => {
  const made = smallRecord()
  const playback = createPlayback(await readWfdb(writeRecord(t.testdir({ simulator: {} }), made)), { speed: 20 })
  const { broker, start } = await simulatedWard(t, { seed: 1, devices: 2, kinds: playback.kinds })
  const simulator = await start({ playback })
  await simulator.finished
  t.ok(await simulator.drain({ graceMs: 10_000 }))
  const sums = new Map<number, number[]>()
  for (const { message } of broker.recorded) {
    for (const { metric, values } of message.kind === 'telemetry' ? message.waves : []) sums.set(metric, [...sums.get(metric) ?? [], ...values])
  }
  t.strictSame(sums.get(metricId('pleth')), made.signals[1]?.values)
  t.equal(simulator.stats().waves, 8 * 3, 'eight blocks of three channels')
})

test('the real bedside record plays as recorded', { skip: realRecord() === null && 'the record is not here: PULSEGATE_WFDB_RECORD names it' }, async (t) => {
  const record = await readWfdb(realRecord() ?? '')
  const { played } = playThrough(record, { speed: 100 })
  for (const [name, index] of [['ecg-lead-ii', 0], ['ecg-lead-v', 1], ['pleth', 2], ['respiration-impedance', 3]] as const) {
    t.equal(checksum16(played.get(metricId(name))?.values ?? []), record.signals[index]?.checksum, name)
  }
})
