// Wave encoding 1, for sensors starved of radio time: each value as the difference to the one before it (the first to 0),
// zigzag so that small differences of either sign are small numbers, as little-endian base-128 varints. A quiet ECG takes
// about one byte a value where int16 takes two.

/** A difference of two 16-bit values has 17 bits, zigzag included: three bytes of seven bits hold it. */
const maxVarintBytes = 3

/** The values, or null when the bytes end inside a varint, a varint is too long, or a value leaves the 16-bit range. */
export function decodeDelta (bytes: Uint8Array): Int16Array | null {
  let count = 0
  for (const byte of bytes) if (byte < 0x80) count++
  const values = new Int16Array(count)
  let at = 0
  let last = 0
  for (let i = 0; i < count; i++) {
    let zigzag = 0
    let size = 0
    let byte
    do {
      if (size === maxVarintBytes) return null
      byte = bytes[at++]!
      zigzag |= (byte & 0x7f) << (7 * size++)
    } while (byte >= 0x80)
    last += (zigzag >>> 1) ^ -(zigzag & 1)
    if (last < -32_768 || last > 32_767) return null
    values[i] = last
  }
  return at === bytes.length ? values : null
}

/** The bytes of encoding 1 for `values`. */
export function encodeDelta (values: Int16Array): Buffer {
  const bytes = Buffer.allocUnsafe(values.length * maxVarintBytes)
  let at = 0
  let last = 0
  for (const value of values) {
    const difference = value - last
    last = value
    let zigzag = (difference << 1) ^ (difference >> 31)
    while (zigzag >= 0x80) {
      bytes[at++] = (zigzag & 0x7f) | 0x80
      zigzag >>>= 7
    }
    bytes[at++] = zigzag
  }
  return bytes.subarray(0, at)
}
