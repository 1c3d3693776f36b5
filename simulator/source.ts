// The firmware of one device, from one boot to the next: when to measure, which identity a message gets, and the bytes it is.
// Takes a sensor model, gives messages for the outbox: first the birth (seq 0), then telemetry, seq +1 each. A message is
// encoded once; whatever is sent again are these same bytes.
import { encodeBirth, encodeTelemetry } from '../schemas/encode.ts'
import { type Header } from '../schemas/telemetry.ts'
import { type FleetDevice } from './fleet.ts'
import { type OutMessage } from './outbox.ts'
import { hash32 } from './random.ts'
import { metricNamed, type Readings, type Sensor } from './sensor.ts'

/** Flags of a telemetry message (telemetry.cddl, key 9). */
export const flags = { historical: 1, endOfBacklog: 2, simulated: 4, clockStepped: 8 } as const

// synchronised by SNTP, within 20 ms: the best an honest device on a hospital network says
const clock = { source: 2, errorMs: 20 } as const
const firmware = '1.0.0'
// 1 = power on
const bootReason = 1
const maxSeq = 0xffff_ffff

export interface SourceOptions {
  readonly device: FleetDevice
  readonly seed: number
  readonly bootedAtMs: number
  /** When the simulator began this boot; default `bootedAtMs`. Another when a recording is played that lies in the past. */
  readonly begunAtMs?: number
  readonly sensor: Sensor
  readonly flags?: number
}

/**
 * The boot id: start in ms, then 20 bits of the seed and device. Never the same twice, even when all state was lost; ascending;
 * and the same when a run is repeated with the same seed and start, which is what makes bytes repeatable.
 */
export function bootId (seed: number, id: string, bootedAtMs: number): bigint {
  return BigInt(bootedAtMs) << 20n | BigInt(hash32('boot', seed, id) & 0xf_ffff)
}

export class Source {
  readonly device: FleetDevice
  readonly boot: bigint
  readonly bootedAtMs: number
  readonly #begunAtMs: number
  readonly #sensor: Sensor
  readonly #flags: number
  #seq = 0
  /** Until when it has measured. */
  #measuredMs: number

  constructor (options: SourceOptions) {
    this.device = options.device
    this.bootedAtMs = options.bootedAtMs
    this.boot = bootId(options.seed, options.device.id, options.bootedAtMs)
    this.#begunAtMs = options.begunAtMs ?? options.bootedAtMs
    this.#sensor = options.sensor
    this.#flags = options.flags ?? flags.simulated
    this.#measuredMs = options.bootedAtMs
  }

  /** How many messages it has made. */
  get made (): number { return this.#seq }

  birth (): OutMessage {
    const payload = encodeBirth({
      header: this.#header(this.bootedAtMs),
      deviceKind: this.device.kind,
      model: this.device.model,
      firmware,
      serial: this.device.serial,
      bootReason,
      metrics: this.#sensor.metrics.map((name) => metricNamed(name).id)
    })
    return this.#message('birth', payload, { samples: [], waves: [] })
  }

  /** What was measured since the last call, up to `untilMs`, as one message; null when that is nothing. */
  measure (untilMs: number): OutMessage | null {
    const readings = this.#sensor.read({ fromMs: this.#measuredMs, untilMs })
    this.#measuredMs = untilMs
    if (readings.samples.length + readings.waves.length === 0) return null
    return this.telemetry(readings)
  }

  /** Measures nothing until `untilMs`: the readings get a hole, the seq does not. */
  sleepUntil (untilMs: number): void {
    this.#measuredMs = Math.round(untilMs)
  }

  telemetry ({ baseMs, samples, waves, rssiDbm }: Readings): OutMessage {
    const header = this.#header(baseMs)
    const payload = encodeTelemetry({
      header, flags: this.#flags, ...(samples.length > 0 && { samples }), ...(waves.length > 0 && { waves }), ...(rssiDbm !== undefined && { rssiDbm })
    })
    return this.#message('telemetry', payload, { samples, waves })
  }

  #header (baseMs: number): Header {
    const relayed = this.device.via !== null
    return {
      ...(relayed && { source: this.device.id }),
      boot: this.boot,
      seq: this.#seq,
      baseWallMs: baseMs,
      baseTickMs: baseMs - this.bootedAtMs,
      clock
    }
  }

  #message (topic: OutMessage['topic'], payload: Buffer, { samples, waves }: Pick<Readings, 'samples' | 'waves'>): OutMessage {
    if (this.#seq > maxSeq) throw new RangeError('seq never wraps: the device has to boot again')
    return {
      publisher: this.device.via ?? this.device.id,
      source: this.device.id,
      boot: this.boot,
      bootBegunAtMs: this.#begunAtMs,
      seq: this.#seq++,
      topic,
      samples: samples.length,
      waves: waves.length,
      payload
    }
  }
}
