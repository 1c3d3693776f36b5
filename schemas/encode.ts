// Message to bytes: what the simulator sends. Deterministic (RFC 8949, 4.2.1): shortest integers and lengths, definite
// lengths, keys in ascending order, floats as float64 only where a value is not a safe integer. The same message gives
// the same bytes, whoever encodes it.
import { type Birth, type Telemetry } from './telemetry.ts'

/** What a sender knows of a telemetry message; `kind` and `unknownKeys` say nothing on the wire. */
export type TelemetryInput = Pick<Telemetry, 'header'> & Partial<Omit<Telemetry, 'header'>>
export type BirthInput = Pick<Birth, 'header' | 'deviceKind' | 'model' | 'firmware'> & Partial<Birth>

export interface EncodeOptions {
  /** How waves travel: `int16` = tag 77, two bytes a value; `delta` = encoding id 1, about one byte a value. Default int16. */
  readonly waves?: 'int16' | 'delta'
}

/** The CBOR payload of a telemetry message. Throws RangeError on what the contract cannot carry (NaN, unsafe integers). */
export function encodeTelemetry (message: TelemetryInput, options: EncodeOptions = {}): Buffer {
  throw new RangeError(`not built yet: ${message.header.seq} ${options.waves ?? 'int16'}`)
}

/** The CBOR payload of a birth message. */
export function encodeBirth (message: BirthInput): Buffer {
  throw new RangeError(`not built yet: ${message.header.seq}`)
}
