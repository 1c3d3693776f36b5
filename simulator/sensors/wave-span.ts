// How much of a wave one message may carry. A device that speaks rarely does not store minutes of wave for it: it sends the
// last seconds, a strip, as patches do; and a payload stays far below 64 KiB.
import { type Span } from '../sensor.ts'

const stripMs = 8_000

/** The last eight seconds of `span`, or all of it when it is shorter. */
export function longestWave ({ fromMs, untilMs }: Span): Span {
  return { fromMs: Math.max(fromMs, untilMs - stripMs), untilMs }
}
