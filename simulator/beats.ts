// The heart's beats, one after the other. Every sensor that sees the heart (ECG, oximeter, cuff) takes these beats, so heart
// rate, pulse, RR intervals and both waves agree to the millisecond. The interval varies as a healthy heart's does: with
// breathing (about 0.25 Hz), with the slow wave of blood pressure (0.1 Hz), and a little by itself (after McSharry 2003).
import { Random } from './random.ts'

export interface Beat {
  /** Time of the R peak, ms since 1970 UTC, with fraction. */
  readonly rMs: number
  /** Interval from the R peak before, ms. */
  readonly rrMs: number
  /** Where in the breath the beat fell, radians, ever growing. */
  readonly breath: number
}

/** What a body asks of its heart. */
export interface HeartDrive {
  readonly traits: { readonly variability: number }
  heartRate (tMs: number): number
  breathsPerMin (tMs: number): number
  activity (tMs: number): number
}

const mayerHz = 0.1
// Before the start: the first window already needs beats behind it (pulse transit, averaging).
const leadMs = 15_000
// Nobody asks further back: a catching-up device is at most a minute late.
const keepMs = 240_000
// No beat closer than a human heart can, none further than a pause the ward would run for.
const shortestMs = 300
const longestMs = 1_900

export class BeatTrain {
  readonly #drive: HeartDrive
  readonly #random: Random
  readonly #mayerPhase: number
  #beats: Beat[]

  constructor (drive: HeartDrive, seed: number, startedAtMs: number) {
    this.#drive = drive
    this.#random = new Random('beats', seed)
    this.#mayerPhase = this.#random.between(0, 2 * Math.PI)
    this.#beats = [{ rMs: startedAtMs - leadMs, rrMs: 60_000 / drive.heartRate(startedAtMs - leadMs), breath: 0 }]
  }

  /** The beats with fromMs ≤ R < untilMs, oldest first. Asked in any order within the last minutes, the answer is the same. */
  within (fromMs: number, untilMs: number): Beat[] {
    while (this.#last.rMs < untilMs) this.#beats.push(this.#after(this.#last))
    const beats = this.#beats.slice(this.#indexAt(fromMs), this.#indexAt(untilMs))
    if (this.#last.rMs - (this.#beats[0]?.rMs ?? 0) > 2 * keepMs) this.#beats = this.#beats.slice(this.#indexAt(this.#last.rMs - keepMs))
    return beats
  }

  /** Beats a minute, averaged as monitors do, over the eight seconds before `tMs`. */
  rate (tMs: number): number {
    const beats = this.within(tMs - 8_000, tMs)
    const sumMs = beats.reduce((sum, { rrMs }) => sum + rrMs, 0)
    return beats.length === 0 ? this.#drive.heartRate(tMs) : 60_000 * beats.length / sumMs
  }

  get #last (): Beat {
    const last = this.#beats.at(-1)
    if (!last) throw new RangeError('a beat train is never empty')
    return last
  }

  #after ({ rMs, breath }: Beat): Beat {
    const drive = this.#drive
    // exercise makes the heart regular
    const calm = drive.traits.variability * (1 - 0.75 * drive.activity(rMs))
    const slow = 0.022 * Math.sin(2 * Math.PI * mayerHz * rMs / 1_000 + this.#mayerPhase)
    const breathing = 0.032 * Math.sin(breath)
    const varied = 1 + calm * (slow + breathing + 0.008 * this.#random.normal())
    const rrMs = Math.min(longestMs, Math.max(shortestMs, 60_000 / drive.heartRate(rMs) * varied))
    return { rMs: rMs + rrMs, rrMs, breath: breath + 2 * Math.PI * drive.breathsPerMin(rMs) / 60_000 * rrMs }
  }

  /** Index of the first beat with R ≥ tMs. */
  #indexAt (tMs: number): number {
    let low = 0
    let high = this.#beats.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((this.#beats[middle]?.rMs ?? Infinity) < tMs) low = middle + 1
      else high = middle
    }
    return low
  }
}
