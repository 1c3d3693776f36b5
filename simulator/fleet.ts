// The ward: which devices there are, on which patient, and which sensors speak through which gateway. A pure function of
// a seed, so that a second start finds its own devices again and two machines can drive the same ward's halves.
import { Random } from './random.ts'

/** The kinds of device the simulator can be, as in the registry of schemas/metrics.ts. */
export const simulatedKinds = ['ecg-patch', 'pulse-oximeter', 'bp-cuff', 'cgm', 'thermometer', 'scale', 'gateway'] as const
export type SimulatedKind = typeof simulatedKinds[number]

export interface FleetDevice {
  /** Lower-case UUID text; also the MQTT client id when the device has a connection of its own. */
  readonly id: string
  readonly kind: SimulatedKind
  /** Which patient's body it measures; devices of one patient agree with one another. */
  readonly patient: number
  /** The gateway that publishes for it; null = it has its own connection. */
  readonly via: string | null
  readonly model: string
  readonly serial: string
}

export interface Pairing { readonly gateway: string, readonly sensor: string }

export interface Fleet {
  readonly seed: number
  readonly devices: readonly FleetDevice[]
  /** gateway → the sensors it may speak for; the database must know them before the first relayed message. */
  readonly pairings: readonly Pairing[]
}

export interface FleetOptions {
  readonly seed: number
  /** Devices with an identity of their own, gateways and relayed sensors included. Default: one bay of 10. */
  readonly devices?: number
  /** When given: only these kinds in turn, each with its own connection, no relaying (load tests). */
  readonly kinds?: readonly SimulatedKind[]
}

interface Place { readonly kind: SimulatedKind, readonly patient: 0 | 1, readonly relayed?: true }

// One bay of the ward: two patients, every kind, and a gateway with two BLE sensors of which each belongs to one patient.
const bay: readonly Place[] = [
  { kind: 'ecg-patch', patient: 0 },
  { kind: 'pulse-oximeter', patient: 0 },
  { kind: 'bp-cuff', patient: 0 },
  { kind: 'cgm', patient: 1 },
  { kind: 'ecg-patch', patient: 1 },
  { kind: 'pulse-oximeter', patient: 1 },
  { kind: 'thermometer', patient: 0 },
  { kind: 'gateway', patient: 0 },
  { kind: 'thermometer', patient: 1, relayed: true },
  { kind: 'scale', patient: 0, relayed: true }
]
const bayDirect = bay.filter((place) => place.kind !== 'gateway' && !place.relayed)

export const defaultFleetSize = bay.length

const models: Record<SimulatedKind, string> = {
  'ecg-patch': 'PG-Patch 2',
  'pulse-oximeter': 'PG-Ox 1',
  'bp-cuff': 'PG-Cuff 3',
  cgm: 'PG-Glucose 7',
  thermometer: 'PG-Temp 1',
  scale: 'PG-Scale 1',
  gateway: 'PG-Gateway 4'
}

/** The device with number `index` of the ward `seed`: version 8 UUID (RFC 9562 5.8), so a generated id shows that it is one. */
export function deviceId (seed: number, index: number): string {
  const bytes = new Random('device id', seed, index).bytes(16)
  bytes[6] = 0x80 | ((bytes[6] ?? 0) & 0x0f)
  bytes[8] = 0x80 | ((bytes[8] ?? 0) & 0x3f)
  const hex = bytes.toString('hex')
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-')
}

/**
 * The ward of a seed. Bays of 10 are repeated; of a bay that would be cut, only devices with a connection of their own are
 * taken, so a gateway never stands there without its two sensors. A larger fleet of the same seed begins with the same devices
 * as long as whole bays are added.
 */
export function createFleet ({ seed, devices: size = defaultFleetSize, kinds }: FleetOptions): Fleet {
  const devices: FleetDevice[] = []
  const pairings: Pairing[] = []
  let gateway: string | null = null
  for (let index = 0; index < size; index++) {
    const place = placeOf(index, size, kinds)
    const id = deviceId(seed, index)
    if (place.kind === 'gateway') gateway = id
    const via = place.relayed ? gateway : null
    if (via !== null) pairings.push({ gateway: via, sensor: id })
    devices.push({
      id,
      kind: place.kind,
      patient: 2 * Math.floor(index / bay.length) + place.patient,
      via,
      model: models[place.kind],
      serial: `SIM-${seed}-${String(index).padStart(5, '0')}`
    })
  }
  return { seed, devices, pairings }
}

function placeOf (index: number, size: number, kinds: readonly SimulatedKind[] | undefined): Place {
  const kind = kinds?.[index % kinds.length]
  if (kind !== undefined) return { kind, patient: (index % 2) as 0 | 1 }
  const within = index % bay.length
  const whole = index - within + bay.length <= size
  const places = whole ? bay : bayDirect
  return places[within % places.length] ?? { kind: 'thermometer', patient: 0 }
}
