// From the fleet to what each device does: its sensor model, its tempo, its moment of being switched on. The one place that
// knows which kind of device has which model.
import { type Fleet, type FleetDevice, type SimulatedKind } from './fleet.ts'
import { type Playback } from './playback.ts'
import { uniformAt, hash32 } from './random.ts'
import { MeasureRoutine, type Routine } from './routine.ts'
import { sampleOf, type Sensor } from './sensor.ts'
import { Source } from './source.ts'

export interface WardOptions {
  readonly fleet: Fleet
  /** ms since 1970 UTC */
  readonly startedAtMs: number
  /** Messages a second of every device. */
  readonly rate?: number | undefined
  readonly playback?: Playback | undefined
}

// How often each kind sends, ms. Cuff, CGM and scale measure every quarter of an hour, five minutes or day in life; here they
// are sped up so that whoever watches for 20 s sees each of them.
const tempoMs: Record<SimulatedKind, number> = {
  'ecg-patch': 1_000,
  'pulse-oximeter': 1_000,
  thermometer: 5_000,
  'bp-cuff': 10_000,
  cgm: 5_000,
  scale: 10_000,
  gateway: 5_000
}

/** One routine per device, in the fleet's order. */
export function createRoutines ({ fleet, startedAtMs, rate, playback }: WardOptions): Routine[] {
  return fleet.devices.map((device) => {
    const periodMs = rate === undefined ? tempoMs[device.kind] : 1_000 / rate
    // not all at the same instant: spread over a period, at most a second where nobody asked for a rate
    const spreadMs = rate === undefined ? Math.min(periodMs, 1_000) : periodMs
    const bootedAtMs = startedAtMs + Math.floor(spreadMs * uniformAt(hash32('switched on', device.id), fleet.seed))
    const played = playback?.routineFor(device, fleet.seed, startedAtMs)
    return played ?? new MeasureRoutine(new Source({ device, seed: fleet.seed, bootedAtMs, sensor: sensorOf(device) }), periodMs)
  })
}

function sensorOf (_device: FleetDevice): Sensor {
  return { metrics: ['body-temperature'], read: ({ untilMs }) => ({ baseMs: untilMs, samples: [sampleOf('body-temperature', 0, 37)], waves: [] }) }
}
