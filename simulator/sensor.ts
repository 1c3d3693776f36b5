// What every sensor model is to its device: something that is asked what it measured between two moments. Models are pure in
// time: asked in order, the same seed and the same moments give the same values.
import { fromPhysical, metricByName, type Metric } from '../schemas/metrics.ts'
import { type Sample, type Wave } from '../schemas/telemetry.ts'

/** A span of device time, ms since 1970 UTC; `untilMs` is not part of it. */
export interface Span { readonly fromMs: number, readonly untilMs: number }

export interface Readings {
  /** The message's base time, ms since 1970 UTC; every dt is relative to it. */
  readonly baseMs: number
  readonly samples: readonly Sample[]
  readonly waves: readonly Wave[]
  /** Of the link between a relayed sensor and its gateway. */
  readonly rssiDbm?: number
}

export interface Sensor {
  /** What was measured in `span`; spans follow one another without a gap. */
  read (span: Span): Readings
  /** Names of the metrics it sends, for the birth message. */
  readonly metrics: readonly string[]
}

/** The registry's entry; the names are ours, so an unknown one is a fault of this program. */
export function metricNamed (name: string): Metric {
  const metric = metricByName(name)
  if (!metric) throw new RangeError(`no metric is called ${name}`)
  return metric
}

/** A sample of a physical value in the metric's unit; null = the sensor had no value. */
export function sampleOf (name: string, dtMs: number, physical: number | null, quality = 0): Sample {
  const metric = metricNamed(name)
  return { metric: metric.id, dtMs, value: physical === null ? null : fromPhysical(metric, physical), quality }
}

/** The grid of a wave: value i is measured at `originMs + i * periodMs`. */
export interface Grid { readonly originMs: number, readonly periodMs: number }

/** Indexes of the grid's values within `span`: first, and how many. */
export function gridWithin ({ originMs, periodMs }: Grid, { fromMs, untilMs }: Span): { first: number, count: number } {
  const first = Math.ceil((fromMs - originMs) / periodMs)
  return { first, count: Math.max(0, Math.ceil((untilMs - originMs) / periodMs) - first) }
}

/** True once for each multiple of `everyMs` that falls in `span`, and in the span that holds `bootedAtMs`: for what is sent more rarely than a message. */
export function isDue (everyMs: number, bootedAtMs: number, { fromMs, untilMs }: Span): boolean {
  return fromMs <= bootedAtMs || Math.floor((fromMs - 1 - bootedAtMs) / everyMs) !== Math.floor((untilMs - 1 - bootedAtMs) / everyMs)
}
