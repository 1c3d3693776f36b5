// Writes CBOR items one after the other into a buffer that grows (RFC 8949): shortest heads, definite lengths. It knows
// nothing of messages; encode.ts gives the order. cbor-x is not used here because it picks its own widths (float64 for
// integers over 2^32, records for maps), and firmware's encoders do not.

const major = { uint: 0, negative: 1, bytes: 2, text: 3, array: 4, map: 5, tag: 6 } as const
/** Most messages of ten samples fit; a wave makes it grow once or twice. */
const initialBytes = 256

export class CborWriter {
  #buffer = Buffer.allocUnsafe(initialBytes)
  #at = 0

  /** A copy of what was written. */
  bytes (): Buffer {
    return Buffer.from(this.#buffer.subarray(0, this.#at))
  }

  /** Throws RangeError unless `value` is a safe integer. */
  int (value: number): this {
    if (!Number.isSafeInteger(value)) throw new RangeError('CborWriter.int: not a safe integer')
    return value < 0 ? this.#head(major.negative, -1 - value) : this.#head(major.uint, value)
  }

  /** Throws RangeError unless 0 <= value < 2^64. */
  uint64 (value: bigint): this {
    if (value < 0n || value > 0xffff_ffff_ffff_ffffn) throw new RangeError('CborWriter.uint64: not a 64-bit unsigned integer')
    if (value <= BigInt(Number.MAX_SAFE_INTEGER)) return this.int(Number(value))
    this.#reserve(9)
    this.#buffer[this.#at] = 0x1b
    this.#buffer.writeBigUInt64BE(value, this.#at + 1)
    this.#at += 9
    return this
  }

  /** As float64. Throws RangeError on NaN and infinities. */
  float (value: number): this {
    if (!Number.isFinite(value)) throw new RangeError('CborWriter.float: not finite')
    this.#reserve(9)
    this.#buffer[this.#at] = 0xfb
    this.#buffer.writeDoubleBE(value, this.#at + 1)
    this.#at += 9
    return this
  }

  null (): this {
    this.#reserve(1)
    this.#buffer[this.#at++] = 0xf6
    return this
  }

  bytesOf (value: Uint8Array): this {
    return this.#head(major.bytes, value.length).#append(value)
  }

  text (value: string): this {
    const bytes = Buffer.from(value, 'utf8')
    return this.#head(major.text, bytes.length).#append(bytes)
  }

  /** The head of an array; its `items` follow. */
  array (items: number): this { return this.#head(major.array, items) }

  /** The head of a map; its `pairs` follow, key and value in turn. */
  map (pairs: number): this { return this.#head(major.map, pairs) }

  /** The head of a tag; its content follows. */
  tag (number: number): this { return this.#head(major.tag, number) }

  #append (bytes: Uint8Array): this {
    this.#reserve(bytes.length)
    this.#buffer.set(bytes, this.#at)
    this.#at += bytes.length
    return this
  }

  #head (type: number, argument: number): this {
    this.#reserve(9)
    const buffer = this.#buffer
    const at = this.#at
    const size = argument < 24 ? 0 : argument < 0x100 ? 1 : argument < 0x1_0000 ? 2 : argument < 0x1_0000_0000 ? 4 : 8
    buffer[at] = (type << 5) | (size === 0 ? argument : 24 + Math.log2(size))
    if (size === 8) {
      buffer.writeUInt32BE(Math.floor(argument / 0x1_0000_0000), at + 1)
      buffer.writeUInt32BE(argument % 0x1_0000_0000, at + 5)
    } else if (size > 0) {
      buffer.writeUIntBE(argument, at + 1, size)
    }
    this.#at = at + 1 + size
    return this
  }

  #reserve (bytes: number): void {
    if (this.#at + bytes <= this.#buffer.length) return
    const bigger = Buffer.allocUnsafe(Math.max(this.#buffer.length * 2, this.#at + bytes))
    bigger.set(this.#buffer.subarray(0, this.#at))
    this.#buffer = bigger
  }
}
