// The metric registry: what a metric id on the wire means. The database's `metric` table is filled from it and the
// simulator takes its ids from it. Ids are ours, stable and never reused; a sample carries the integer
// value * 10^-exponent, so that `temperature: 3701` with exponent -2 is 37.01 Cel. Bounds are in physical units and only
// mark a value, they never drop it. `verified: false`: a code nobody has yet compared with the official table.
import { metricTable } from './metric-table.ts'

/** Both ends belong to the range; physical units. */
export interface Range { readonly low: number, readonly high: number }

export const deviceKinds =
  ['ecg-patch', 'pulse-oximeter', 'bp-cuff', 'thermometer', 'cgm', 'glucometer', 'scale', 'gateway'] as const
export type DeviceKind = typeof deviceKinds[number]

export interface Metric {
  /** What stands on the wire, 1 .. 32,767. */
  readonly id: number
  /** kebab-case, what a backend asks for */
  readonly name: string
  /** The kinds of device that send it. */
  readonly kinds: readonly DeviceKind[]
  /** IEEE 11073-10101 code: partition * 65536 + term; null = none known. */
  readonly mdc: number | null
  readonly loinc: string | null
  readonly ucum: string
  /** physical = value * 10^exponent; 0 for waves, which carry their own scale */
  readonly exponent: number
  readonly wave: boolean
  /** Outside: questionable, marked. null = no bound known. */
  readonly plausible: Range | null
  /** Outside: cannot be, marked. null = no bound known. */
  readonly hard: Range | null
  /** Are `mdc` and `loinc` compared with the official tables? */
  readonly verified: boolean
}

/** One set of quality bits for all sensors; 0 = good. */
export const quality = {
  invalid: 1,
  questionable: 2,
  motion: 4,
  poorContact: 8,
  sensorOff: 16,
  outOfRange: 32,
  earlyEstimate: 64
} as const

export const metrics: readonly Metric[] = metricTable

const byId = new Map(metrics.map((metric) => [metric.id, metric]))
const byName = new Map(metrics.map((metric) => [metric.name, metric]))

export function metricById (id: number): Metric | undefined {
  return byId.get(id)
}

export function metricByName (name: string): Metric | undefined {
  return byName.get(name)
}

/** The physical value, in the metric's UCUM unit, of an integer (or float) as it stands in a sample. */
export function toPhysical (metric: Metric, value: number): number {
  // dividing by a power of ten gives the nearest double to the decimal number; multiplying by 0.01 does not
  return metric.exponent < 0 ? value / 10 ** -metric.exponent : value * 10 ** metric.exponent
}

/** The integer that stands in a sample for a physical value: the nearest one the metric's exponent can express. */
export function fromPhysical (metric: Metric, physical: number): number {
  const scaled = metric.exponent < 0 ? physical * 10 ** -metric.exponent : physical / 10 ** metric.exponent
  return Math.round(scaled)
}

/** The quality bits that a physical value earns by its metric's bounds: `outOfRange`, `questionable`, or 0. */
export function rangeQuality (metric: Metric, physical: number): number {
  if (metric.hard !== null && !within(metric.hard, physical)) return quality.outOfRange
  return metric.plausible !== null && !within(metric.plausible, physical) ? quality.questionable : 0
}

function within (range: Range, value: number): boolean {
  return value >= range.low && value <= range.high
}
