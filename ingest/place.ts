// Placing a message in time: pure and deterministic, so that the same message has the same times in every delivery and
// in every worker. Takes the header, when the broker took the message, and the boot's anchor; gives the base time, in
// ms since 1970 UTC, or the reason why the message cannot be placed. Every sample and wave end counts: the furthest for
// a clock that runs ahead, the oldest for data older than what is kept.
import { type Header, type Message } from '../schemas/telemetry.ts'

/** How far ahead of the time of receipt a device's clock may be. */
export const clockAheadMs = 5 * 60_000

export interface PlacingContext {
  /** When the broker took the message, ms since 1970 UTC. */
  readonly receivedAtMs: number
  /** The boot's tick 0 in ms since 1970 UTC; only used when the header carries no wall time. */
  readonly anchorMs: number
  /** How long readings are kept, ms. */
  readonly retentionMs: number
}

/** The times a message covers, ms relative to its base time. */
export interface Extent {
  readonly oldestMs: number
  readonly furthestMs: number
}

export type Placed =
  | { readonly ok: true, readonly baseMs: number }
  | { readonly ok: false, readonly reason: 'clock-ahead' | 'too-old', readonly detail: string }

/** Base time of a message: the device's wall time, else the boot's anchor plus the tick. */
export function baseTimeMs (header: Header, anchorMs: number): number {
  return header.baseWallMs ?? anchorMs + header.baseTickMs
}

/** Places `header` with everything the message covers. */
export function place (header: Header, extent: Extent, { receivedAtMs, anchorMs, retentionMs }: PlacingContext): Placed {
  const baseMs = baseTimeMs(header, anchorMs)
  const aheadMs = baseMs + extent.furthestMs - receivedAtMs
  if (aheadMs > clockAheadMs) {
    return { ok: false, reason: 'clock-ahead', detail: `ahead of receipt by ${Math.round(aheadMs / 1_000)} s` }
  }
  const ageMs = receivedAtMs - (baseMs + extent.oldestMs)
  if (ageMs > retentionMs) {
    return { ok: false, reason: 'too-old', detail: `older than receipt by ${Math.round(ageMs / 1_000)} s` }
  }
  return { ok: true, baseMs }
}

/** What a message covers: its base time, every sample, every wave from its first value to the end of its last. */
export function extentOf (message: Message): Extent {
  let oldestMs = 0
  let furthestMs = 0
  if (message.kind === 'telemetry') {
    for (const { dtMs } of message.samples) {
      if (dtMs < oldestMs) oldestMs = dtMs
      if (dtMs > furthestMs) furthestMs = dtMs
    }
    for (const { dtMs, periodUs, values } of message.waves) {
      if (dtMs < oldestMs) oldestMs = dtMs
      const endMs = dtMs + values.length * periodUs / 1_000
      if (endMs > furthestMs) furthestMs = endMs
    }
  }
  return { oldestMs, furthestMs }
}

/**
 * The anchor of a boot at its first sight: when its tick was 0. A tick longer than all time since 1970 cannot be true;
 * then the anchor is 1970, and a message placed by it is refused as too old or ahead.
 */
export function anchorOf ({ baseTickMs }: Header, receivedAtMs: number): number {
  return Math.max(0, receivedAtMs - baseTickMs)
}
