// What comes in after an erasure: of an erased time nothing is kept, of any other time everything, to the value.
import { test } from 'tap'
import { withoutErased } from '../../ingest/erased.ts'
import { type Wave } from '../../schemas/telemetry.ts'
import { metricId, telemetry } from '../fixtures/deliveries.ts'

const baseMs = Date.UTC(2026, 2, 1)
const at = (ms: number): number => baseMs + ms

function wave (values: number[], dtMs = 0, periodUs = 1_000_000): Wave {
  return { metric: metricId('ecg-lead-ii'), dtMs, periodUs, scaleNano: 5_000, offset: 0, values: Int16Array.from(values) }
}

function left (waves: Wave[], ...erased: Array<[number, number]>): { left: number, waves: Array<[number, number[]]> } {
  const kept = withoutErased(telemetry(0, { samples: [], waves }), baseMs, erased.map(([fromMs, toMs]) => ({ fromMs: at(fromMs), toMs: at(toMs) })))
  return { left: kept.left, waves: kept.message.kind === 'telemetry' ? kept.message.waves.map(({ dtMs, values }) => [dtMs, [...values]]) : [] }
}

test('a wave that comes late is cut where an erased time begins and ends [C21]', async (t) => {
  const block = wave([0, 1, 2, 3, 4])
  t.strictSame(left([block], [-Infinity, 2_000]), { left: 1, waves: [[2_000, [2, 3, 4]]] }, 'the value at the very end belongs to what follows')
  t.strictSame(left([block], [2_500, Infinity]), { left: 1, waves: [[0, [0, 1, 2]]] })
  t.strictSame(left([block], [1_000, 3_000]), { left: 1, waves: [[0, [0]], [3_000, [3, 4]]] })
  t.strictSame(left([block], [0, 1_000], [2_000, 3_000], [4_000, 9_000]), { left: 1, waves: [[1_000, [1]], [3_000, [3]]] })
  t.strictSame(left([block], [0, 4_001]), { left: 1, waves: [] })
  t.strictSame(left([block], [4_001, 9_000]), { left: 0, waves: [[0, [0, 1, 2, 3, 4]]] }, 'a time in which no value lies takes none')
  t.strictSame(left([block], [1_200, 1_800]), { left: 0, waves: [[0, [0, 1, 2, 3, 4]]] })
  t.strictSame(left([wave([7, 8, 9], -4, 4_000)], [0, 4]), { left: 1, waves: [[-4, [7]], [4, [9]]] })
  t.strictSame(left([wave([7, 8, 9], 0, 100)], [-Infinity, 0.1]), { left: 1, waves: [[0.1, [8, 9]]] }, 'to the microsecond')
})

test('and beside it every sample of another time is kept [C21]', async (t) => {
  const message = telemetry(0) // ten, one a second, the last at the base time
  const { left, message: kept } = withoutErased(message, baseMs, [{ fromMs: at(-5_000), toMs: at(-2_000) }])
  t.equal(left, 3)
  t.strictSame(kept.kind === 'telemetry' && kept.samples.map(({ dtMs }) => dtMs), [-9_000, -8_000, -7_000, -6_000, -2_000, -1_000, 0])
  t.equal(withoutErased(message, baseMs, undefined).message, message)
  t.equal(withoutErased(message, baseMs, [{ fromMs: at(1), toMs: at(2) }]).message, message)
})
