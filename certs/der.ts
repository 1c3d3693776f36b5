// The few pieces of DER (X.690) that a certificate and a revocation list are put together from. Takes the parts' bytes,
// gives the whole's. Names and extensions come from the ASN.1 library; only the frames around them are made here, because
// the library needs 4 s for a list of 20,000 entries and 2 ms for a certificate, and these need next to nothing.

/** SEQUENCE of parts that are DER already. */
export function sequence (...parts: readonly Uint8Array[]): Buffer {
  return tagged(0x30, ...parts)
}

/** [n] EXPLICIT around one part. */
export function explicit (n: number, part: Uint8Array): Buffer {
  return tagged(0xa0 | n, part)
}

/** INTEGER of a big-endian magnitude that is positive and minimal already (first byte 0x01..0x7f). */
export function integer (magnitude: Uint8Array): Buffer {
  return tagged(0x02, magnitude)
}

/** OBJECT IDENTIFIER whose content is given in hex. */
export function objectId (hex: string): Buffer {
  return tagged(0x06, Buffer.from(hex, 'hex'))
}

export function octetString (bytes: Uint8Array): Buffer {
  return tagged(0x04, bytes)
}

/** BIT STRING of whole bytes. */
export function bitString (bytes: Uint8Array): Buffer {
  return tagged(0x03, Buffer.of(0), bytes)
}

/** Time of RFC 5280, 4.1.2.5: UTCTime through 2049, GeneralizedTime after; whole seconds, rounded down. */
export function time (at: Date): Buffer {
  const digits = at.toISOString().replace(/\.\d+Z$/, 'Z').replace(/[-:T]/g, '')
  return at.getUTCFullYear() < 2050 ? tagged(0x17, Buffer.from(digits.slice(2))) : tagged(0x18, Buffer.from(digits))
}

function tagged (tag: number, ...parts: readonly Uint8Array[]): Buffer {
  const length = parts.reduce((sum, part) => sum + part.length, 0)
  return Buffer.concat([Buffer.of(tag, ...lengthBytes(length)), ...parts])
}

function lengthBytes (length: number): number[] {
  if (length < 0x80) return [length]
  const bytes: number[] = []
  for (let rest = length; rest > 0; rest = Math.floor(rest / 256)) bytes.unshift(rest % 256)
  return [0x80 | bytes.length, ...bytes]
}
