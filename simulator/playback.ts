// A recording played through the ward's devices (stub until the reader lands).
import { type FleetDevice } from './fleet.ts'
import { type Routine } from './routine.ts'

export interface Playback {
  /** The routine for `device`, or null when the recording has nothing for it (its model measures instead). */
  routineFor (device: FleetDevice, seed: number, startedAtMs: number): Routine | null
}
