// An ECG patch: lead II at 250 Hz, 1 µV a step, with the heart rate a monitor would show, every RR interval, and breathing
// from the chest's impedance. Noise: the amplifier's, the baseline that moves with breathing, muscles when the patient moves.
import { quality } from '../../schemas/metrics.ts'
import { normalAt, smoothNoise } from '../random.ts'
import { clamp } from '../patient.ts'
import { gridWithin, isDue, metricNamed, sampleOf, type Readings, type Sensor, type Span } from '../sensor.ts'
import { breathPhase, ecgMicrovolts } from '../waveforms.ts'
import { batteryEveryMs, batterySample, type Fitted } from './body.ts'
import { longestWave } from './wave-span.ts'

const periodMs = 4
const amplifierMicrovolts = 7
const baselineMicrovolts = 55
const breathingEveryMs = 5_000
// above this activity the leads pick up muscle
const restless = 0.5

export class EcgPatch implements Sensor {
  readonly metrics = ['heart-rate', 'rr-interval', 'respiration-rate', 'battery', 'ecg-lead-ii']
  readonly #on: Fitted

  constructor (fitted: Fitted) {
    this.#on = fitted
  }

  read (span: Span): Readings {
    const { patient, seed, bootedAtMs } = this.#on
    const { fromMs, untilMs } = span
    const moving = patient.activity(untilMs) > restless ? quality.motion : 0
    const samples = [sampleOf('heart-rate', untilMs - fromMs, clamp(Math.round(patient.beats.rate(untilMs)), 0, 300), moving)]
    for (const { rMs, rrMs } of patient.beats.within(fromMs, untilMs)) samples.push(sampleOf('rr-interval', Math.round(rMs - fromMs), rrMs))
    if (isDue(breathingEveryMs, bootedAtMs, span)) samples.push(sampleOf('respiration-rate', untilMs - fromMs, patient.breathsPerMin(untilMs)))
    if (isDue(batteryEveryMs, bootedAtMs, span)) samples.push(batterySample(seed, fromMs, untilMs))
    return { baseMs: fromMs, samples, waves: this.#wave(span) }
  }

  #wave (span: Span): Readings['waves'] {
    const { patient, seed, bootedAtMs } = this.#on
    const grid = { originMs: bootedAtMs, periodMs }
    const { first, count } = gridWithin(grid, longestWave(span))
    if (count === 0) return []
    const startMs = bootedAtMs + first * periodMs
    const clean = ecgMicrovolts(patient.beats, { grid, first, count })
    const breath = breathPhase(patient.beats, startMs)
    const breathPerValue = 2 * Math.PI * patient.breathsPerMin(startMs) / 60_000 * periodMs
    const muscle = 90 * clamp(patient.activity(startMs) - 0.2)
    const values = Int16Array.from(clean, (microvolts, at) => {
      const tMs = startMs + at * periodMs
      const wander = baselineMicrovolts * Math.sin(breath + at * breathPerValue)
      const noise = amplifierMicrovolts * normalAt(seed, tMs / periodMs) + muscle * smoothNoise(seed ^ 1, tMs, 22)
      return Math.round(microvolts + wander + noise)
    })
    return [{ metric: metricNamed('ecg-lead-ii').id, dtMs: startMs - span.fromMs, periodUs: periodMs * 1_000, scaleNano: 1_000_000_000, offset: 0, values }]
  }
}
