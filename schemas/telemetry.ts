// The shape of a message on the wire (telemetry.cddl is the source for firmware), as TypeScript types. These are what the
// decoder gives out after the guard, cbor-x and the validator have passed: plain values, no bigint where a safe integer does.

/** 0 never set, 1 RTC, 2 SNTP, 3 gateway, 4 GNSS */
export type ClockSource = 0 | 1 | 2 | 3 | 4

export interface Header {
  /** Source device id, lower-case UUID text; absent = the publisher. */
  readonly source?: string
  /** uint up to 2^64-1; new at each restart of the device. */
  readonly boot: bigint
  /** 0 .. 2^32-1, per (source, boot). */
  readonly seq: number
  /** ms since 1970 UTC; absent when the clock was never set. */
  readonly baseWallMs?: number
  /** ms since boot. */
  readonly baseTickMs: number
  readonly clock?: { readonly source: ClockSource, readonly errorMs: number }
}

/** One value of one metric at one time; `value` is scaled by the metric's decimal exponent; null = missing. */
export interface Sample {
  readonly metric: number
  /** ms relative to the message's base time */
  readonly dtMs: number
  readonly value: number | null
  /** bits, see quality in metrics.ts; 0 = good */
  readonly quality: number
}

/** A block of evenly spaced values: physical = (raw + offset) * scaleNano * 1e-9, in the unit of the metric. `offset` counts raw steps. */
export interface Wave {
  readonly metric: number
  readonly dtMs: number
  readonly periodUs: number
  readonly scaleNano: number
  readonly offset: number
  readonly values: Int16Array
}

export interface Telemetry {
  readonly kind: 'telemetry'
  readonly header: Header
  readonly samples: readonly Sample[]
  readonly waves: readonly Wave[]
  /** 1 historical, 2 end of backlog, 4 simulated, 8 clock stepped */
  readonly flags: number
  readonly rssiDbm?: number
  /** How many unknown keys >= 0 were skipped. */
  readonly unknownKeys: number
}

export interface Birth {
  readonly kind: 'birth'
  readonly header: Header
  readonly deviceKind: string
  readonly model: string
  readonly firmware: string
  readonly serial?: string
  readonly bootReason?: number
  readonly metrics?: readonly number[]
  readonly unknownKeys: number
}

export type Message = Telemetry | Birth
