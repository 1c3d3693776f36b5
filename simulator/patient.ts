// One patient's body, as far as our sensors can see it: traits that last, and states that come and go (sleep, activity, fever,
// meals, desaturation). All sensors of a patient ask the same body, so their readings agree with one another. States are
// functions of wall time and the seed alone: a restarted simulator finds the patient where time has brought them.
import { BeatTrain } from './beats.ts'
import { hash32, Random, smoothNoise, uniformAt } from './random.ts'

const minuteMs = 60_000
const hourMs = 60 * minuteMs
const dayMs = 24 * hourMs

export interface Traits {
  /** Beats a minute at rest, awake. */
  readonly restingRate: number
  readonly systolic: number
  readonly diastolic: number
  readonly breathsPerMin: number
  readonly spo2: number
  readonly temperatureCel: number
  readonly massKg: number
  /** mg/dL before breakfast */
  readonly glucose: number
  /** How strongly breathing and blood-pressure waves move the heart: younger hearts vary more. */
  readonly variability: number
  /** Heart to finger, ms. */
  readonly pulseTransitMs: number
}

export class Patient {
  readonly traits: Traits
  readonly beats: BeatTrain
  readonly #seed: number
  readonly #feverish: boolean

  constructor (seed: number, number: number, startedAtMs: number) {
    const random = new Random('patient', seed, number)
    this.#seed = hash32('states', seed, number)
    this.traits = {
      restingRate: random.between(58, 84),
      systolic: random.between(108, 142),
      diastolic: random.between(64, 86),
      breathsPerMin: random.between(12.5, 17),
      spo2: random.between(95.8, 98.4),
      temperatureCel: random.between(36.5, 36.9),
      massKg: random.between(54, 98),
      glucose: random.between(88, 108),
      variability: random.between(0.6, 1.3),
      pulseTransitMs: random.between(205, 275)
    }
    this.#feverish = random.uniform() < 0.4
    this.beats = new BeatTrain(this, hash32('beats', seed, number), startedAtMs)
  }

  /** 0 awake … 1 asleep; from about 22:30 to 6:30 UTC. */
  asleep (tMs: number): number {
    const hour = hourOfDay(tMs) + 0.5 * smoothNoise(this.#seed ^ 1, tMs, dayMs)
    return clamp(logistic((hour - 22.5) * 6) + logistic((6.5 - hour) * 6))
  }

  /** 0 lying still … 1 walking the corridor; comes in bouts of minutes. */
  activity (tMs: number): number {
    const bout = smoothNoise(this.#seed ^ 2, tMs, 4 * minuteMs)
    const restless = 0.08 * (1 + smoothNoise(this.#seed ^ 3, tMs, 20_000))
    return clamp((Math.max(0, bout - 0.15) + restless) * (1 - 0.9 * this.asleep(tMs)))
  }

  /** Degrees above the usual; some patients have a fever for hours. */
  feverCel (tMs: number): number {
    if (!this.#feverish) return 0
    return 1.8 * clamp(2 * (smoothNoise(this.#seed ^ 4, tMs, 8 * hourMs) - 0.2))
  }

  /** Beats a minute that the body asks for; the single beat varies around it. */
  heartRate (tMs: number): number {
    const { restingRate } = this.traits
    const calm = restingRate * (1 - 0.13 * this.asleep(tMs)) + 2.5 * smoothNoise(this.#seed ^ 5, tMs, 90_000)
    return calm + 38 * this.activity(tMs) + 9 * this.feverCel(tMs) + 4 * this.#digesting(tMs)
  }

  breathsPerMin (tMs: number): number {
    const calm = this.traits.breathsPerMin * (1 - 0.1 * this.asleep(tMs)) + 1.2 * smoothNoise(this.#seed ^ 6, tMs, 60_000)
    return calm + 9 * this.activity(tMs) + 1.5 * this.feverCel(tMs)
  }

  /** Percent of saturation lost to an episode: a fall over half a minute, a faster recovery. */
  desaturation (tMs: number): number {
    const windowMs = 7 * minuteMs
    const window = Math.floor(tMs / windowMs)
    const likely = 0.2 + 0.25 * this.asleep(tMs)
    if (uniformAt(this.#seed ^ 7, window) > likely) return 0
    const into = tMs - window * windowMs - (30_000 + 300_000 * uniformAt(this.#seed ^ 8, window))
    const depth = 4 + 7 * uniformAt(this.#seed ^ 9, window)
    return depth * (into < 0 ? 0 : into < 35_000 ? into / 35_000 : clamp(1 - (into - 35_000) / 20_000))
  }

  systolic (tMs: number): number {
    return this.traits.systolic * (1 - 0.13 * this.asleep(tMs)) + 22 * this.activity(tMs) + 4 * smoothNoise(this.#seed ^ 10, tMs, 10 * minuteMs)
  }

  diastolic (tMs: number): number {
    return this.traits.diastolic * (1 - 0.12 * this.asleep(tMs)) + 6 * this.activity(tMs) + 3 * smoothNoise(this.#seed ^ 11, tMs, 10 * minuteMs)
  }

  /** Core temperature; highest in the late afternoon. */
  temperatureCel (tMs: number): number {
    return this.traits.temperatureCel + 0.4 * Math.cos(2 * Math.PI * (hourOfDay(tMs) - 17) / 24) + this.feverCel(tMs)
  }

  /** Blood glucose, mg/dL: dawn rise, and a bump after each meal that peaks after about an hour. */
  glucose (tMs: number): number {
    const dawn = 9 * Math.exp(-(((hourOfDay(tMs) - 6.5) / 1.8) ** 2))
    return this.traits.glucose + dawn + 48 * this.#digesting(tMs) + 4 * smoothNoise(this.#seed ^ 12, tMs, 40 * minuteMs)
  }

  /** 0 fasting … about 1 at the height of a meal; three meals a day, never at the same minute. */
  #digesting (tMs: number): number {
    const today = Math.floor(tMs / dayMs)
    let sum = 0
    for (const day of [today - 1, today]) {
      for (const [meal, hour] of [7.5, 12.5, 18.2].entries()) {
        const place = 3 * day + meal
        const sinceMs = tMs - day * dayMs - (hour + 0.8 * (uniformAt(this.#seed ^ 13, place) - 0.5)) * hourMs
        const size = 0.6 + 0.7 * uniformAt(this.#seed ^ 14, place)
        if (sinceMs > 0) sum += size * (sinceMs / peakMs) * Math.exp(1 - sinceMs / peakMs)
      }
    }
    return sum
  }
}

const peakMs = 55 * minuteMs

function hourOfDay (tMs: number): number {
  return (tMs % dayMs) / hourMs
}

function logistic (x: number): number {
  return 1 / (1 + Math.exp(-x))
}

export function clamp (value: number, low = 0, high = 1): number {
  return Math.min(high, Math.max(low, value))
}
