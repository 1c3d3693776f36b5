import { test } from 'tap'
import { anchorOf, clockAheadMs, extentOf, place } from '../../ingest/place.ts'
import { type Header } from '../../schemas/telemetry.ts'
import { metricId, telemetry } from '../fixtures/deliveries.ts'

const receivedAtMs = Date.UTC(2026, 0, 1, 12)
const retentionMs = 10 * 86_400_000
const context = { receivedAtMs, retentionMs, anchorMs: receivedAtMs - 60_000 }
const header = (more: Partial<Header>): Header => ({ boot: 1n, seq: 0, baseTickMs: 60_000, ...more })
const nothing = { oldestMs: 0, furthestMs: 0 }

test('a clock that is set decides; without one the anchor and the tick do', async (t) => {
  t.strictSame(place(header({ baseWallMs: receivedAtMs - 5 }), nothing, context), { ok: true, baseMs: receivedAtMs - 5 })
  t.strictSame(place(header({}), nothing, context), { ok: true, baseMs: receivedAtMs })
  t.strictSame(place(header({}), nothing, { ...context, receivedAtMs: receivedAtMs + 86_400_000 }), { ok: true, baseMs: receivedAtMs }, 'received later, placed the same')
})

test('the furthest time counts for a clock ahead, the oldest for what is too old, to the millisecond', async (t) => {
  const at = (baseWallMs: number, oldestMs: number, furthestMs: number): unknown => {
    const placed = place(header({ baseWallMs }), { oldestMs, furthestMs }, context)
    return placed.ok ? 'ok' : placed.reason
  }
  t.equal(at(receivedAtMs + clockAheadMs, 0, 0), 'ok')
  t.equal(at(receivedAtMs + clockAheadMs + 1, 0, 0), 'clock-ahead')
  t.equal(at(receivedAtMs, 0, clockAheadMs + 1), 'clock-ahead')
  t.equal(at(receivedAtMs - retentionMs, 0, 0), 'ok')
  t.equal(at(receivedAtMs - retentionMs - 1, 0, 0), 'too-old')
  t.equal(at(receivedAtMs, -retentionMs - 1, 0), 'too-old')
  t.equal(at(Number.MAX_SAFE_INTEGER, 0, 0), 'clock-ahead')
  t.equal(at(-Number.MAX_SAFE_INTEGER, 0, 0), 'too-old')
})

test('a message covers its base time, every sample, and every wave to its end', async (t) => {
  const wave = { metric: metricId('ecg-lead-ii'), dtMs: -100, periodUs: 4_000, scaleNano: 1, offset: 0, values: new Int16Array(250) }
  const sample = (dtMs: number): { metric: number, dtMs: number, value: number, quality: number } => ({ metric: 1, dtMs, value: 0, quality: 0 })
  t.strictSame(extentOf(telemetry(0, { samples: [sample(5), sample(-70)], waves: [wave] })), { oldestMs: -100, furthestMs: 900 })
  t.strictSame(extentOf(telemetry(0, { samples: [sample(-70)] })), { oldestMs: -70, furthestMs: 0 })
})

test('an anchor is never before 1970, whatever the tick claims', async (t) => {
  t.equal(anchorOf(header({ baseTickMs: 1_000 }), receivedAtMs), receivedAtMs - 1_000)
  t.equal(anchorOf(header({ baseTickMs: Number.MAX_SAFE_INTEGER }), receivedAtMs), 0)
  const placed = place(header({ baseTickMs: Number.MAX_SAFE_INTEGER }), nothing, { ...context, anchorMs: 0 })
  t.match(placed, { ok: false, reason: 'clock-ahead' })
})
