// Sensors that measure now and then: blood-pressure cuff, thermometer, glucose sensor, scale. One reading a message, taken at
// the moment the message is made.
import { quality } from '../../schemas/metrics.ts'
import { type Sample } from '../../schemas/telemetry.ts'
import { normalAt, smoothNoise, uniformAt } from '../random.ts'
import { clamp } from '../patient.ts'
import { isDue, sampleOf, type Readings, type Sensor, type Span } from '../sensor.ts'
import { batteryEveryMs, batterySample, type Fitted } from './body.ts'

/** A sensor with one reading a message: what it read at `tMs`, dt 0. */
abstract class SpotSensor implements Sensor {
  abstract readonly metrics: readonly string[]
  protected readonly on: Fitted

  constructor (fitted: Fitted) {
    this.on = fitted
  }

  read (span: Span): Readings {
    const baseMs = span.untilMs
    const samples = this.measure(baseMs)
    if (isDue(batteryEveryMs, this.on.bootedAtMs, span)) samples.push(batterySample(this.on.seed, baseMs, baseMs))
    return { baseMs, samples, waves: [] }
  }

  protected abstract measure (tMs: number): Sample[]
}

// One inflation in forty fails: the arm moved, the cuff was loose.
const failedInflation = 1 / 40

export class BloodPressureCuff extends SpotSensor {
  readonly metrics = ['systolic-pressure', 'diastolic-pressure', 'mean-pressure', 'cuff-pulse-rate', 'battery']

  /** All four components in one message at one time: never split. A failed inflation is four times no value. */
  protected measure (tMs: number): Sample[] {
    const { patient, seed } = this.on
    const reading = Math.floor(tMs / 1_000)
    if (uniformAt(seed ^ 1, reading) < failedInflation) {
      return this.metrics.slice(0, 4).map((name) => sampleOf(name, 0, null, quality.invalid | quality.poorContact))
    }
    const systolic = Math.round(patient.systolic(tMs) + 2 * normalAt(seed, reading))
    const diastolic = Math.round(patient.diastolic(tMs) + 1.5 * normalAt(seed ^ 2, reading))
    return [
      sampleOf('systolic-pressure', 0, systolic),
      sampleOf('diastolic-pressure', 0, diastolic),
      sampleOf('mean-pressure', 0, Math.round(diastolic + (systolic - diastolic) / 3)),
      sampleOf('cuff-pulse-rate', 0, Math.round(patient.beats.rate(tMs)))
    ]
  }
}

// A cold sensor under the arm takes a while to tell the truth, and says so.
const warmUpMs = 25_000
const stillColdCel = 0.15

export class Thermometer extends SpotSensor {
  readonly metrics = ['body-temperature', 'battery']

  protected measure (tMs: number): Sample[] {
    const { patient, seed, bootedAtMs } = this.on
    const cold = 1.1 * Math.exp(-(tMs - bootedAtMs) / warmUpMs)
    const celsius = patient.temperatureCel(tMs) - cold + 0.02 * normalAt(seed, tMs)
    return [sampleOf('body-temperature', 0, celsius, cold > stillColdCel ? quality.earlyEstimate : 0)]
  }
}

// Tissue follows blood by minutes; the sensor itself errs by a few percent, slowly.
const tissueLagMs = 8 * 60_000

export class GlucoseSensor extends SpotSensor {
  readonly metrics = ['interstitial-glucose', 'battery']

  protected measure (tMs: number): Sample[] {
    const { patient, seed } = this.on
    const drift = 1 + 0.05 * smoothNoise(seed, tMs, 12 * 60_000)
    return [sampleOf('interstitial-glucose', 0, clamp(patient.glucose(tMs - tissueLagMs) * drift, 40, 400))]
  }
}

export class Scale extends SpotSensor {
  readonly metrics = ['body-mass', 'battery']

  protected measure (tMs: number): Sample[] {
    const { patient, seed } = this.on
    // food and water over the day; how one stands on it
    const today = 0.5 * smoothNoise(seed, tMs, 6 * 3_600_000)
    return [sampleOf('body-mass', 0, patient.traits.massKg + today + 0.03 * normalAt(seed ^ 1, tMs))]
  }
}
