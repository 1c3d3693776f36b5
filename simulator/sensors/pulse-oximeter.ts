// A pulse oximeter on the finger: saturation, pulse rate and perfusion a message, and the pulse wave at 100 Hz in thousandths of
// its usual height. It sees the same beats as the ECG, a quarter of a second later; the saturation it shows is that of blood
// which left the lung some 15 s ago, averaged over 8 s.
import { quality } from '../../schemas/metrics.ts'
import { normalAt, smoothNoise } from '../random.ts'
import { clamp } from '../patient.ts'
import { gridWithin, isDue, metricNamed, sampleOf, type Readings, type Sensor, type Span } from '../sensor.ts'
import { breathPhase, pulseWave } from '../waveforms.ts'
import { batteryEveryMs, batterySample, type Fitted } from './body.ts'
import { longestWave } from './wave-span.ts'

const periodMs = 10
const circulationMs = 15_000
const averagedMs = 8_000
const breathingShare = 0.06
const restless = 0.5

export class PulseOximeter implements Sensor {
  readonly metrics = ['spo2', 'pulse-rate', 'perfusion-index', 'battery', 'pleth']
  readonly #on: Fitted

  constructor (fitted: Fitted) {
    this.#on = fitted
  }

  read (span: Span): Readings {
    const { patient, seed, bootedAtMs } = this.#on
    const { fromMs, untilMs } = span
    const dtMs = untilMs - fromMs
    const moving = patient.activity(untilMs) > restless ? quality.motion : 0
    const samples = [
      sampleOf('spo2', dtMs, this.#saturation(untilMs), moving),
      sampleOf('pulse-rate', dtMs, Math.round(patient.beats.rate(untilMs - patient.traits.pulseTransitMs)), moving),
      sampleOf('perfusion-index', dtMs, this.#perfusion(untilMs))
    ]
    if (isDue(batteryEveryMs, bootedAtMs, span)) samples.push(batterySample(seed, fromMs, untilMs))
    return { baseMs: fromMs, samples, waves: this.#wave(span) }
  }

  #saturation (tMs: number): number {
    const { patient, seed } = this.#on
    let lost = 0
    for (const agoMs of [0, averagedMs / 2, averagedMs]) lost += patient.desaturation(tMs - circulationMs - agoMs) / 3
    return clamp(patient.traits.spo2 + 0.5 * smoothNoise(seed, tMs, 12_000) - lost, 50, 100)
  }

  /** Percent: warm, calm fingers have more. */
  #perfusion (tMs: number): number {
    const { patient, seed } = this.#on
    return clamp(2.4 + 1.3 * smoothNoise(seed ^ 2, tMs, 45_000) + 0.6 * patient.asleep(tMs), 0.1, 20)
  }

  #wave (span: Span): Readings['waves'] {
    const { patient, seed, bootedAtMs } = this.#on
    const grid = { originMs: bootedAtMs, periodMs }
    const { first, count } = gridWithin(grid, longestWave(span))
    if (count === 0) return []
    const startMs = bootedAtMs + first * periodMs
    const height = 1_000 * this.#perfusion(startMs) / 2.4
    const breath = breathPhase(patient.beats, startMs)
    const breathPerValue = 2 * Math.PI * patient.breathsPerMin(startMs) / 60_000 * periodMs
    const shaking = 400 * clamp(patient.activity(startMs) - 0.3)
    const clean = pulseWave(patient.beats, { grid, first, count }, patient.traits.pulseTransitMs)
    const values = Int16Array.from(clean, (pulse, at) => {
      const tMs = startMs + at * periodMs
      const breathing = breathingShare * Math.sin(breath + at * breathPerValue)
      return Math.round(height * (pulse + breathing) + 4 * normalAt(seed ^ 3, tMs / periodMs) + shaking * smoothNoise(seed ^ 4, tMs, 180))
    })
    return [{ metric: metricNamed('pleth').id, dtMs: startMs - span.fromMs, periodUs: periodMs * 1_000, scaleNano: 1_000_000, offset: 0, values }]
  }
}
