// Reads CBOR heads (RFC 8949, section 3) for the guard: initial byte, argument, nothing else. Fields in place of objects,
// because there is one head per item and the guard stands before every message. Once `fail` was called the reading is
// over: every method answers false then, so that callers return as soon as they see it.
import { type RejectReason } from './reasons.ts'

const twoTo32 = 2 ** 32
const nothing = new Uint8Array(0)

/** 1 for each byte that is a whole item: small integers; empty string, text, array, map; false, true, null. */
const tinyItems = new Uint8Array(256).fill(1, 0x00, 0x18).fill(1, 0x20, 0x38)
for (const byte of [0x40, 0x60, 0x80, 0xa0, 0xf4, 0xf5, 0xf6]) tinyItems[byte] = 1

export interface Fault {
  readonly reason: RejectReason
  readonly detail: string
  /** Byte offset in the payload. */
  readonly offset: number
}

export class HeadReader {
  bytes: Uint8Array = nothing
  end = 0
  at = 0
  /** Heads read: the work done. */
  steps = 0
  fault: Fault | null = null

  // The head read last. `argument` is exact up to 2^53, the two halves always.
  major = 0
  info = 0
  argument = 0
  high = 0
  low = 0

  start (payload: Uint8Array): void {
    this.bytes = payload
    this.end = payload.length
    this.at = this.steps = 0
    this.fault = null
  }

  /** Lets go of the payload. */
  stop (): void {
    this.bytes = nothing
  }

  head (): boolean {
    const from = this.at
    if (from >= this.end) return this.cutShort(from)
    this.steps++
    const initial = this.bytes[from]!
    this.major = initial >> 5
    this.info = initial & 0x1f
    this.high = 0
    if (this.info < 24) {
      this.argument = this.low = this.info
      this.at = from + 1
      return true
    }
    if (this.info > 27) return this.#noArgument(from)
    return this.#longArgument(from, 1 << (this.info - 24))
  }

  /** Passes over an integer of one byte, legal wherever an item is; says whether there was one. Most items are. */
  tinyInteger (): boolean {
    // the head of 0 .. 23 or of -1 .. -24; past the end there is none
    if (this.at >= this.end || (this.bytes[this.at]! & 0xdf) > 0x17) return false
    this.at++
    this.steps++
    return true
  }

  /** Passes over any legal item of one byte; says whether there was one. */
  tinyItem (): boolean {
    if (this.at >= this.end || tinyItems[this.bytes[this.at]!] === 0) return false
    this.at++
    this.steps++
    return true
  }

  /** Passes over the `length` bytes of a string whose head began at `from`. */
  skip (length: number, from: number): boolean {
    if (length > this.end - this.at) return this.cutShort(from)
    this.at += length
    return true
  }

  /** The argument of the head read last, beyond 2^53 too. */
  exact (): bigint {
    return this.high === 0 ? BigInt(this.low) : (BigInt(this.high) << 32n) | BigInt(this.low)
  }

  fail (reason: RejectReason, detail: string, offset: number): false {
    this.fault = { reason, detail, offset }
    return false
  }

  cutShort (from: number): false {
    return this.fail('not-cbor', 'the payload ends inside an item', from)
  }

  #longArgument (from: number, size: number): boolean {
    if (from + 1 + size > this.end) return this.cutShort(from)
    if (size === 8) {
      this.high = this.#uint(from + 1, 4)
      this.low = this.#uint(from + 5, 4)
    } else {
      this.low = this.#uint(from + 1, size)
    }
    this.argument = this.high * twoTo32 + this.low
    this.at = from + 1 + size
    return true
  }

  #uint (from: number, size: number): number {
    const bytes = this.bytes
    if (size === 1) return bytes[from]!
    if (size === 2) return (bytes[from]! << 8) | bytes[from + 1]!
    return ((bytes[from]! << 24) | (bytes[from + 1]! << 16) | (bytes[from + 2]! << 8) | bytes[from + 3]!) >>> 0
  }

  #noArgument (from: number): boolean {
    if (this.info < 31) return this.fail('not-cbor', 'reserved additional information 28 to 30', from)
    if (this.major >= 2 && this.major <= 5) {
      return this.fail('indefinite-length', 'a string, array or map of indefinite length', from)
    }
    return this.fail('not-cbor', 'a break where no item begins', from)
  }
}
