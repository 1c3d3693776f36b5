// Bytes to message: what the worker calls for every payload. The guard refuses what the contract forbids, cbor-x decodes
// what is left, the validator checks the shape, and the result is plain values. Promise: never throws, never keeps a
// reference to `payload`, and no detail carries a value of the payload (it is logged and stored).
import { type Birth, type Telemetry } from './telemetry.ts'
import { type RejectReason } from './reasons.ts'

export interface Rejected {
  readonly ok: false
  readonly reason: RejectReason
  /** What is wrong and where, for a firmware author: a path or a rule, never a value. */
  readonly detail: string
  /** Byte offset of the fault in the payload, where one byte is to blame. */
  readonly offset?: number
}

export interface Decoded<M> { readonly ok: true, readonly message: M }

/** The kinds of payload that have a contract; `result` has none yet. */
export type MessageKind = 'telemetry' | 'birth'

/**
 * Decodes the payload of a message that came in on a topic of `kind`.
 * Returns the message with all values in wire units (integers scaled by the metric's exponent, ms, us), or the reason.
 */
export function decodeMessage (kind: 'telemetry', payload: Uint8Array): Decoded<Telemetry> | Rejected
export function decodeMessage (kind: 'birth', payload: Uint8Array): Decoded<Birth> | Rejected
export function decodeMessage (kind: MessageKind, payload: Uint8Array): Decoded<Telemetry | Birth> | Rejected
export function decodeMessage (kind: MessageKind, payload: Uint8Array): Decoded<Telemetry | Birth> | Rejected {
  return { ok: false, reason: 'unsupported-schema', detail: `${kind} of ${payload.length} bytes: not built yet` }
}
