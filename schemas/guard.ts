// The strict byte walker in front of cbor-x. It takes a payload and either names the fault, or leaves in `known` the same
// map without the pairs the contract does not know, in bytes that cbor-x cannot be hurt by. What breaks without it:
// cbor-x takes duplicate keys, NaN, any tag and bignum, and a 20-byte payload can hang it for a minute.
//
// Promise: nothing allocated that grows with a length the payload claims, one step per CBOR item, at most 8 deep. Faults
// of form are reported before the version, and the version before what only this version of the contract forbids: a
// device of tomorrow hears `unsupported-schema`, not a guess.
import { HeadReader, type Fault } from './heads.ts'
import { arrayFault, boot, data, free, list, placeInside, placeOf, value, type Place } from './places.ts'
import { isUtf8Range } from './utf8.ts'

/** 64 KiB: one second of every wave a gateway relays fits many times over, and it bounds all other work. */
export const maxPayloadBytes = 65_536
const maxDepth = 8 // the contract itself needs 4
/** The contract knows 18 keys. The bound keeps the search for duplicates short. */
const maxKeys = 32
const maskedKeys = 31 // that fit the bits of a small integer
const schemaKey = 0
const bootKey = 2

export class Guard {
  /** After a payload has passed: its map with the known keys only, in the first `knownLength` bytes. */
  readonly known = Buffer.alloc(maxPayloadBytes)
  knownLength = 0
  unknownKeys = 0
  /** The boot id, exactly: cbor-x would round it to a double. Undefined when key 2 is no uint. */
  boot: bigint | undefined

  readonly #reader = new HeadReader()
  #schema: number | undefined
  #laterFault: Fault | null = null

  /** CBOR heads read for the last payload: the work done, for tests. */
  get steps (): number { return this.#reader.steps }

  /**
   * Walks `payload`; `knownKeys` has bit k set when the contract knows key k (all of them are below 31).
   * Returns the fault, or null when cbor-x may have `known`.
   */
  check (payload: Uint8Array, knownKeys: number): Fault | null {
    const reader = this.#reader
    reader.start(payload)
    this.unknownKeys = 0
    this.boot = this.#schema = undefined
    this.#laterFault = null
    const passed = payload.length <= maxPayloadBytes
      ? this.#message(knownKeys)
      : reader.fail('too-large', 'over 64 KiB', maxPayloadBytes)
    reader.stop()
    return passed ? this.#schemaFault() ?? this.#laterFault : reader.fault
  }

  #message (knownKeys: number): boolean {
    const reader = this.#reader
    if (!reader.head()) return false
    if (reader.major === 6) return reader.fail('forbidden-tag', 'a tag around the message', 0)
    if (reader.major !== 5) return reader.fail('not-a-map', 'the message must be a map', 0)
    if (!this.#topMap(reader.argument, knownKeys)) return false
    return reader.at === reader.end || reader.fail('trailing-bytes', 'bytes after the message', reader.at)
  }

  #schemaFault (): Fault | null {
    if (this.#schema === 1) return null
    if (this.#schema === undefined) return { reason: 'missing-key', detail: 'key 0 (schema) is required', offset: 0 }
    return { reason: 'unsupported-schema', detail: 'key 0 (schema) must be 1', offset: 0 }
  }

  #topMap (pairs: number, knownKeys: number): boolean {
    if (!this.#enter(pairs, 2, 1, 0)) return false
    const reader = this.#reader
    let seen = 0
    const seenElsewhere: number[] = []
    let knownPairs = 0
    let runFrom = reader.at
    this.knownLength = 1 // the head of `known` comes last, when its count is known
    for (let i = 0; i < pairs; i++) {
      const from = reader.at
      if (!this.#key()) return false
      const key = reader.argument
      const bit = key >= 0 && key < maskedKeys ? 1 << key : 0
      if ((seen & bit) !== 0 || (bit === 0 && seenElsewhere.includes(key))) return this.#duplicate(from)
      if (bit === 0) seenElsewhere.push(key)
      seen |= bit
      if ((knownKeys & bit) !== 0) {
        knownPairs++
        if (!this.#knownValue(key)) return false
      } else {
        this.#keep(runFrom, from)
        if (!this.#unknownValue(key, from)) return false
        runFrom = reader.at
      }
    }
    this.#keep(runFrom, reader.at)
    this.known[0] = 0xa0 | knownPairs
    return true
  }

  #keep (from: number, to: number): void {
    if (to > from) this.known.set(this.#reader.bytes.subarray(from, to), this.knownLength)
    this.knownLength += to - from
  }

  #knownValue (key: number): boolean {
    const reader = this.#reader
    const isUint = reader.at < reader.end && reader.bytes[reader.at]! >> 5 === 0
    if (!this.#item(1, placeOf(key))) return false
    if (key === schemaKey) this.#schema = isUint ? reader.argument : -1
    else if (key === bootKey && isUint) this.boot = reader.exact()
    return true
  }

  #unknownValue (key: number, from: number): boolean {
    if (key < 0) this.#failLater('negative-key', 'an unknown negative key', from)
    else this.unknownKeys++
    return this.#item(1, free)
  }

  /** Reads one map key into the reader's `argument`, sign included. */
  #key (): boolean {
    const reader = this.#reader
    const from = reader.at
    if (!reader.head()) return false
    if (reader.major > 1) return reader.fail('bad-key', 'keys must be integers', from)
    if (reader.argument > Number.MAX_SAFE_INTEGER) return reader.fail('bad-key', 'a key beyond 2^53-1', from)
    if (reader.major === 1) reader.argument = -1 - reader.argument
    return true
  }

  #duplicate (at: number): false {
    return this.#reader.fail('duplicate-key', 'a key that was there before', at)
  }

  #item (depth: number, place: Place): boolean {
    const reader = this.#reader
    const from = reader.at
    if (!reader.head()) return false
    if (place >= list && reader.major !== 4) this.#failLater('wrong-type', 'an array is due', from)
    switch (reader.major) {
      case 0:
      case 1: return this.#integer(from, place)
      case 2: return reader.skip(reader.argument, from)
      case 3: return this.#text(from)
      case 4: return this.#array(reader.argument, depth + 1, place, from)
      case 5: return this.#map(reader.argument, depth + 1, place, from)
      case 6: return this.#tag(from, place)
      default: return this.#simple(from, place)
    }
  }

  #integer (from: number, place: Place): true {
    const { major, argument } = this.#reader
    // -(2^53-1) stands on the wire as the argument 2^53-2
    const unsafe = argument > Number.MAX_SAFE_INTEGER - major
    if (unsafe && place !== free && !(place === boot && major === 0)) {
      this.#failLater('integer-range', 'an integer beyond 2^53-1', from)
    }
    return true
  }

  #array (items: number, depth: number, place: Place, from: number): boolean {
    if (!this.#enter(items, 1, depth, from)) return false
    const reason = arrayFault(place, items)
    if (reason !== null) this.#failLater(reason, 'an array that does not belong here', from)
    for (let i = 0; i < items; i++) {
      // of a message that will be refused anyway only the form still matters
      const inside = this.#laterFault === null ? placeInside(place, i) : free
      if (!this.#tiny(depth, inside) && !this.#item(depth, inside)) return false
    }
    return true
  }

  /** The short way for what most items are: one byte that is legal at `place`. */
  #tiny (depth: number, place: Place): boolean {
    if (place === free && depth < maxDepth) return this.#reader.tinyItem()
    return place < list && this.#reader.tinyInteger()
  }

  /** A map inside the message: only an unknown key may hold one, and its keys follow the same rules. */
  #map (pairs: number, depth: number, place: Place, from: number): boolean {
    if (!this.#enter(pairs, 2, depth, from)) return false
    if (place !== free) this.#failLater('wrong-type', 'a map where none may be', from)
    const seen: number[] = []
    for (let i = 0; i < pairs; i++) {
      const keyAt = this.#reader.at
      if (!this.#key()) return false
      const key = this.#reader.argument
      if (seen.includes(key)) return this.#duplicate(keyAt)
      seen.push(key)
      if (!this.#tiny(depth, free) && !this.#item(depth, free)) return false
    }
    return true
  }

  #tag (from: number, place: Place): boolean {
    const reader = this.#reader
    if (reader.argument !== 77) return reader.fail('forbidden-tag', 'a tag other than 77', from)
    if (!reader.head()) return false
    if (reader.major !== 2) return reader.fail('forbidden-tag', 'tag 77 must stand on a byte string', from)
    if (place !== data && place !== free) this.#failLater('wrong-type', 'tag 77 where none may be', from)
    if (reader.argument % 2 === 1) this.#failLater('bad-wave', 'tag 77 on an odd number of bytes', from)
    return reader.skip(reader.argument, from)
  }

  #text (from: number): boolean {
    const reader = this.#reader
    const start = reader.at
    if (!reader.skip(reader.argument, from)) return false
    return isUtf8Range(reader.bytes, start, reader.at) || reader.fail('bad-text', 'text that is not UTF-8', from)
  }

  /** Major type 7: simple values and floats. */
  #simple (from: number, place: Place): boolean {
    const { info, argument } = this.#reader
    if (info >= 20 && info <= 22) return true
    if (info < 24) return this.#reader.fail('forbidden-simple', 'only false, true and null', from)
    if (info === 24) {
      return argument < 32 // RFC 8949, 3.3
        ? this.#reader.fail('not-cbor', 'a simple value below 32 in two bytes', from)
        : this.#reader.fail('forbidden-simple', 'only false, true and null', from)
    }
    if (!this.#isFinite(from + 1)) return this.#reader.fail('not-finite', 'NaN or infinity', from)
    if (place !== value && place !== free) this.#failLater('wrong-type', 'a float where none may be', from)
    return true
  }

  #isFinite (at: number): boolean {
    const { bytes, info } = this.#reader
    // an exponent of all ones is NaN or infinity (IEEE 754); half, single, double
    const exponent = info === 25 ? 0x7c00 : info === 26 ? 0x7f80 : 0x7ff0
    return (((bytes[at]! << 8) | bytes[at + 1]!) & exponent) !== exponent
  }

  /** May an array (size 1) or map (size 2) of `count` begin here? A claimed length costs nothing beyond this question. */
  #enter (count: number, size: 1 | 2, depth: number, from: number): boolean {
    const reader = this.#reader
    if (depth > maxDepth) return reader.fail('too-deep', 'arrays and maps nested more than 8 deep', from)
    if (count * size > reader.end - reader.at) return reader.cutShort(from)
    return size === 1 || count <= maxKeys || reader.fail('too-many-keys', 'a map of more than 32 keys', from)
  }

  /** Keeps the first fault that only matters once the version is known to be ours. */
  #failLater (reason: Fault['reason'], detail: string, offset: number): void {
    this.#laterFault ??= { reason, detail, offset }
  }
}
