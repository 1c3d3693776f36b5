// From the fleet to what each device does: its sensor model, its tempo, its moment of being switched on. The one place that
// knows which kind of device has which model.
import { type Fleet, type FleetDevice, type SimulatedKind } from './fleet.ts'
import { type Playback } from './playback.ts'
import { Patient } from './patient.ts'
import { hash32, uniformAt } from './random.ts'
import { MeasureRoutine, type Routine } from './routine.ts'
import { type Sensor } from './sensor.ts'
import { type Fitted } from './sensors/body.ts'
import { EcgPatch } from './sensors/ecg-patch.ts'
import { Gateway, RelayedSensor } from './sensors/gateway.ts'
import { PulseOximeter } from './sensors/pulse-oximeter.ts'
import { BloodPressureCuff, GlucoseSensor, Scale, Thermometer } from './sensors/spot.ts'
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
  const players = new Set(playback?.kinds.map((kind) => fleet.devices.find((device) => device.kind === kind)?.id))
  const patientOf = patients(fleet.seed, startedAtMs)
  return fleet.devices.map((device) => {
    if (playback && players.has(device.id)) return playback.routineOn(device, fleet.seed, startedAtMs)
    const seed = hash32('device', fleet.seed, device.id)
    const periodMs = rate === undefined ? tempoMs[device.kind] : 1_000 / rate
    // not all at the same instant: spread over a period, at most a second where nobody asked for a rate
    const spreadMs = rate === undefined ? Math.min(periodMs, 1_000) : periodMs
    const bootedAtMs = startedAtMs + Math.floor(spreadMs * uniformAt(seed, 0))
    const sensor = sensorOf(device, { patient: patientOf(device.patient), seed, bootedAtMs })
    return new MeasureRoutine(new Source({ device, seed: fleet.seed, bootedAtMs, sensor }), periodMs)
  })
}

/** The patients of a ward, made when first asked for. */
function patients (seed: number, startedAtMs: number): (number: number) => Patient {
  const known = new Map<number, Patient>()
  return (number) => {
    let patient = known.get(number)
    if (!patient) known.set(number, patient = new Patient(seed, number, startedAtMs))
    return patient
  }
}

function sensorOf ({ kind, via }: FleetDevice, fitted: Fitted): Sensor {
  const sensor = modelOf(kind, fitted)
  return via === null ? sensor : new RelayedSensor(sensor, fitted.seed)
}

function modelOf (kind: SimulatedKind, fitted: Fitted): Sensor {
  switch (kind) {
    case 'ecg-patch': return new EcgPatch(fitted)
    case 'pulse-oximeter': return new PulseOximeter(fitted)
    case 'bp-cuff': return new BloodPressureCuff(fitted)
    case 'thermometer': return new Thermometer(fitted)
    case 'cgm': return new GlucoseSensor(fitted)
    case 'scale': return new Scale(fitted)
    case 'gateway': return new Gateway(fitted)
  }
}
