// Is a range of bytes UTF-8 (RFC 3629: no overlong forms, no surrogates, nothing beyond U+10FFFF)? Node's own isUtf8 wants
// a view of its own for each range; a payload of ten thousand tiny texts would pay for ten thousand views.

/** True when bytes[start, end) is UTF-8. Reads nothing outside the range. */
export function isUtf8Range (bytes: Uint8Array, start: number, end: number): boolean {
  let at = start
  while (at < end) {
    const length = sequenceLength(bytes, at, end)
    if (length === 0) return false
    at += length
  }
  return true
}

/** Length of the sequence at `at`, or 0 when there is no legal one. */
function sequenceLength (bytes: Uint8Array, at: number, end: number): number {
  const first = bytes[at]!
  if (first < 0x80) return 1
  const length = first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : first < 0xf5 ? 4 : 0
  if (length === 0 || at + length > end) return 0
  for (let i = 1; i < length; i++) {
    if ((bytes[at + i]! & 0xc0) !== 0x80) return 0
  }
  const second = bytes[at + 1]!
  const overlong = (first === 0xe0 && second < 0xa0) || (first === 0xf0 && second < 0x90)
  const surrogate = first === 0xed && second > 0x9f
  const tooHigh = first === 0xf4 && second > 0x8f
  return overlong || surrogate || tooHigh ? 0 : length
}
