// What a sensor model is given: the body it sits on, the device it is, and the moment it was switched on.
import { hash32, uniformAt } from '../random.ts'
import { type Patient } from '../patient.ts'
import { sampleOf } from '../sensor.ts'
import { type Sample } from '../../schemas/telemetry.ts'

export interface Fitted {
  readonly patient: Patient
  /** Noise of this very device. */
  readonly seed: number
  readonly bootedAtMs: number
}

/** How often a device tells its battery, ms. */
export const batteryEveryMs = 60_000

const chargeLastsMs = 5 * 24 * 3_600_000

/** The battery's level: falls over five days, then somebody changes or charges it. */
export function batterySample (seed: number, baseMs: number, tMs: number): Sample {
  const used = (tMs / chargeLastsMs + uniformAt(hash32('battery', seed), 0)) % 1
  return sampleOf('battery', tMs - baseMs, 100 - 92 * used)
}
