// A gateway's own health: the radio link to its sensors, how long it has run, what waits in it, its storage and its clock.
import { smoothNoise, uniformAt } from '../random.ts'
import { isDue, sampleOf, type Readings, type Sensor, type Span } from '../sensor.ts'
import { batteryEveryMs, batterySample, type Fitted } from './body.ts'

const storageBytes = 6_500_000_000

export class Gateway implements Sensor {
  readonly metrics = ['link-rssi', 'uptime', 'queue-depth', 'free-storage', 'clock-error', 'battery']
  readonly #on: Omit<Fitted, 'patient'>

  constructor (fitted: Omit<Fitted, 'patient'>) {
    this.#on = fitted
  }

  read (span: Span): Readings {
    const { seed, bootedAtMs } = this.#on
    const tMs = span.untilMs
    const uptimeS = Math.floor((tMs - bootedAtMs) / 1_000)
    const samples = [
      sampleOf('link-rssi', 0, linkRssiDbm(seed, tMs)),
      sampleOf('uptime', 0, uptimeS),
      sampleOf('queue-depth', 0, Math.floor(3 * uniformAt(seed ^ 1, tMs))),
      sampleOf('free-storage', 0, storageBytes - 4_096 * uptimeS),
      sampleOf('clock-error', 0, Math.round(8 + 6 * smoothNoise(seed ^ 2, tMs, 300_000)))
    ]
    if (isDue(batteryEveryMs, bootedAtMs, span)) samples.push(batterySample(seed, tMs, tMs))
    return { baseMs: tMs, samples, waves: [] }
  }
}

/** A sensor whose messages a gateway passes on, with the strength of the link between them. */
export class RelayedSensor implements Sensor {
  readonly metrics: readonly string[]
  readonly #sensor: Sensor
  readonly #seed: number

  constructor (sensor: Sensor, seed: number) {
    this.#sensor = sensor
    this.#seed = seed
    this.metrics = sensor.metrics
  }

  read (span: Span): Readings {
    return { ...this.#sensor.read(span), rssiDbm: linkRssiDbm(this.#seed, span.untilMs) }
  }
}

/** dBm of a BLE link across a room, with people walking through it. */
function linkRssiDbm (seed: number, tMs: number): number {
  return Math.round(-62 + 9 * smoothNoise(seed ^ 3, tMs, 30_000) + 4 * smoothNoise(seed ^ 4, tMs, 2_000))
}
