// A growing buffer of PostgreSQL's binary formats (COPY BINARY rows, array parameters), used again for every batch.
// Everything is big-endian; a field is its length (int4, -1 = NULL) and its bytes. timestamptz is int8 microseconds since
// 2000-01-01 UTC. `room` first, then the writes: the hot loops ask once per row, not once per field.

const epoch2000Ms = Date.UTC(2000, 0, 1)
const two32 = 2 ** 32

export class BinaryBuffer {
  #buffer: Buffer
  #view: DataView
  #at = 0

  constructor (bytes = 64 * 1024) {
    this.#buffer = Buffer.allocUnsafeSlow(bytes)
    this.#view = new DataView(this.#buffer.buffer)
  }

  /** What was written, without copying: valid until the next `clear`. */
  get bytes (): Buffer { return this.#buffer.subarray(0, this.#at) }
  get length (): number { return this.#at }

  clear (): void { this.#at = 0 }

  /** Makes room for `bytes` more. */
  room (bytes: number): void {
    if (this.#at + bytes <= this.#buffer.length) return
    const larger = Buffer.allocUnsafeSlow(Math.max(this.#buffer.length * 2, this.#at + bytes))
    this.#buffer.copy(larger, 0, 0, this.#at)
    this.#buffer = larger
    this.#view = new DataView(larger.buffer)
  }

  int16 (value: number): void {
    this.#view.setInt16(this.#at, value)
    this.#at += 2
  }

  int32 (value: number): void {
    this.#view.setInt32(this.#at, value)
    this.#at += 4
  }

  /** A safe integer as int8. */
  int64 (value: number): void {
    this.#view.setInt32(this.#at, Math.floor(value / two32))
    this.#view.setUint32(this.#at + 4, value >>> 0)
    this.#at += 8
  }

  fieldInt16 (value: number): void {
    this.int32(2)
    this.int16(value)
  }

  fieldInt32 (value: number): void {
    this.int32(4)
    this.int32(value)
  }

  fieldInt64 (value: number): void {
    this.int32(8)
    this.int64(value)
  }

  fieldFloat64 (value: number): void {
    this.int32(8)
    this.#view.setFloat64(this.#at, value)
    this.#at += 8
  }

  /** ms since 1970 UTC as timestamptz; fractions of a ms become microseconds. */
  fieldTime (ms: number): void {
    this.int32(8)
    this.int64(Math.round((ms - epoch2000Ms) * 1_000))
  }

  fieldNull (): void { this.int32(-1) }

  /** int2[], one dimension, no nulls; asks for its own room. */
  fieldInt16Array (values: Int16Array): void {
    this.room(24 + values.length * 6)
    const header = values.length === 0 ? 12 : 20
    this.int32(header + values.length * 6)
    this.arrayHeader(values.length, int2Oid, false)
    const view = this.#view
    let at = this.#at
    for (let i = 0; i < values.length; i++) {
      view.setInt32(at, 2)
      view.setInt16(at + 4, values[i] as number)
      at += 6
    }
    this.#at = at
  }

  /** Head of an array value: dimensions, has-nulls, element type, then length and lower bound of the one dimension. */
  arrayHeader (length: number, elementOid: number, hasNulls: boolean): void {
    this.int32(length === 0 ? 0 : 1)
    this.int32(hasNulls ? 1 : 0)
    this.int32(elementOid)
    if (length === 0) return
    this.int32(length)
    this.int32(1)
  }

  /** Signature, flags and empty header extension that COPY BINARY begins with. */
  copyHeader (): void {
    this.room(19)
    this.#buffer.set(copySignature, this.#at)
    this.#at += 11
    this.int32(0)
    this.int32(0)
  }

  copyTrailer (): void {
    this.room(2)
    this.int16(-1)
  }
}

const copySignature = Buffer.from('PGCOPY\n\xff\r\n\0', 'latin1')

// pg_type oids, fixed for ever
export const int2Oid = 21
export const int4Oid = 23
export const int8Oid = 20
export const timestamptzOid = 1184
