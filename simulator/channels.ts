// Which channel of a recording a device of ours would have measured, and how its raw values become the metric's unit. A channel
// that nobody could have measured here is named with the reason, never dropped in silence. Pure.
import { metricNamed } from './sensor.ts'
import { type SimulatedKind } from './fleet.ts'
import { type WfdbRecord, type WfdbSignal } from './wfdb.ts'

export interface Channel {
  readonly signal: WfdbSignal
  readonly kind: SimulatedKind
  readonly metric: string
  readonly metricId: number
  readonly periodUs: number
  /** physical = (raw + offset) * scaleNano * 1e-9, in the metric's unit */
  readonly scaleNano: number
  readonly offset: number
}

export interface Skipped { readonly name: string, readonly reason: string }

// What monitors and archives write as the name of a signal.
const names: ReadonlyArray<readonly [RegExp, SimulatedKind, string]> = [
  [/^(ecg )?(lead )?(i|mli)$/i, 'ecg-patch', 'ecg-lead-i'],
  [/^(ecg )?(lead )?(ii|mlii)$/i, 'ecg-patch', 'ecg-lead-ii'],
  [/^(ecg )?(lead )?(v[1-6]?|mv|mcl1?)$/i, 'ecg-patch', 'ecg-lead-v'],
  [/^(pleth|ppg)$/i, 'pulse-oximeter', 'pleth'],
  [/^(resp|respiration)$/i, 'ecg-patch', 'respiration-impedance']
]

// Steps of the metric's unit in one of the recording's; a dimensionless wave takes whatever units the recording has.
const perUnit: Readonly<Record<string, Readonly<Record<string, number>>>> = { uV: { uv: 1, mv: 1_000, v: 1_000_000 } }

/** Every channel of `record`: either a device's or skipped. The first channel of a metric wins: a device has one such sensor. */
export function channelsOf (record: WfdbRecord): { channels: Channel[], skipped: Skipped[] } {
  const channels: Channel[] = []
  const skipped: Skipped[] = []
  for (const [index, signal] of record.signals.entries()) {
    const name = signal.description || `signal ${index}`
    const found = channelOf(signal)
    if (typeof found === 'string') skipped.push({ name, reason: found })
    else if (channels.some(({ metric }) => metric === found.metric)) skipped.push({ name, reason: `another channel is ${found.metric} already` })
    else channels.push(found)
  }
  return { channels, skipped }
}

function channelOf (signal: WfdbSignal): Channel | string {
  const match = names.find(([pattern]) => pattern.test(signal.description.trim()))
  if (!match) return 'no simulated device measures it'
  const [, kind, name] = match
  const metric = metricNamed(name)
  const units = perUnit[metric.ucum]
  const factor = units ? units[signal.units.toLowerCase()] : 1
  if (factor === undefined) return `its unit ${signal.units} is not one of ${metric.ucum}`
  if (signal.gain < 0) return 'its gain is negative'
  return {
    signal,
    kind,
    metric: name,
    metricId: metric.id,
    periodUs: Math.round(1_000_000 / signal.valuesPerS),
    scaleNano: Math.round(1_000_000_000 * factor / signal.gain),
    offset: 0 - signal.baseline
  }
}
