// The shapes of a heartbeat: on the ECG five bumps around each R peak (P Q R S T), on the finger a pulse with its dicrotic
// notch, both as sums of Gaussians in closed form. Each beat is added only where it is not zero: about 20 µs a device-second.
import { type Beat, type BeatTrain } from './beats.ts'
import { type Grid } from './sensor.ts'

/** Which values of a grid. */
export interface Block { readonly grid: Grid, readonly first: number, readonly count: number }

// A Gaussian is nothing to see four widths away.
const reach = 4
// The furthest a beat is felt: P before the R peak, the pulse's tail after it.
const beforeMs = 1_500
const afterMs = 500

/** Lead II, µV: durations and intervals of a healthy adult (P 90 ms, PR 160 ms, QRS 90 ms, QT by Bazett 400 ms at 60/min). */
export function ecgMicrovolts (beats: BeatTrain, block: Block): Float64Array {
  const values = new Float64Array(block.count)
  for (const { rMs, rrMs } of around(beats, block)) {
    const stretch = Math.sqrt(rrMs / 1_000)
    addBump(values, block, rMs - 160 * (0.55 + 0.45 * stretch), 22, 130)
    addBump(values, block, rMs - 26, 8, -95)
    addBump(values, block, rMs, 10, 1_150)
    addBump(values, block, rMs + 27, 9, -230)
    addBump(values, block, rMs + 285 * stretch, 46 * stretch, 290)
  }
  return values
}

/** The pulse at the finger, in parts of its usual height: the beats arrive `transitMs` later. */
export function pulseWave (beats: BeatTrain, block: Block, transitMs: number): Float64Array {
  const values = new Float64Array(block.count)
  for (const { rMs, rrMs } of around(beats, block)) {
    const stretch = Math.sqrt(rrMs / 1_000)
    const footMs = rMs + transitMs
    // a pause before the beat fills the heart: the pulse is a little higher
    const height = 0.7 + 0.3 * stretch
    addBump(values, block, footMs + 130 * stretch, 68 * stretch, height)
    addBump(values, block, footMs + 360 * stretch, 105 * stretch, 0.38 * height)
  }
  return values
}

/** Phase of the breath at `tMs`, radians, between the beats by their own pace. */
export function breathPhase (beats: BeatTrain, tMs: number): number {
  const near = beats.within(tMs - 4_000, tMs + 2_500)
  const after = near.findIndex(({ rMs }) => rMs > tMs)
  const [from, to]: [Beat | undefined, Beat | undefined] = [near[after - 1], near[after]]
  if (!from || !to) return from?.breath ?? to?.breath ?? 0
  return from.breath + (to.breath - from.breath) * (tMs - from.rMs) / (to.rMs - from.rMs)
}

function around (beats: BeatTrain, { grid, first, count }: Block): Beat[] {
  const fromMs = grid.originMs + first * grid.periodMs
  return beats.within(fromMs - beforeMs, fromMs + count * grid.periodMs + afterMs)
}

function addBump (values: Float64Array, { grid, first }: Block, centreMs: number, widthMs: number, height: number): void {
  const centre = (centreMs - grid.originMs) / grid.periodMs - first
  const width = widthMs / grid.periodMs
  const from = Math.max(0, Math.ceil(centre - reach * width))
  const until = Math.min(values.length, Math.floor(centre + reach * width) + 1)
  for (let at = from; at < until; at++) {
    values[at] = (values[at] ?? 0) + height * Math.exp(-((at - centre) ** 2) / (2 * width * width))
  }
}
