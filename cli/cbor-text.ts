// The bytes of a quarantined message for a person: hex, and CBOR's diagnostic notation (RFC 8949, 8) as far as the bytes can be read.
// Lenient where the decoder is strict: it shows what is there and where reading stops. Not for decisions.

const maxDepth = 16

interface Cursor { readonly bytes: Buffer, at: number }

/** 16 bytes a line with their offset. */
export function hexText (bytes: Buffer): string {
  const lines: string[] = []
  for (let at = 0; at < bytes.length; at += 16) {
    lines.push(`${at.toString(16).padStart(5, '0')}  ${bytes.subarray(at, at + 16).toString('hex').replace(/(..)(?=.)/g, '$1 ')}`)
  }
  return lines.map((line) => `${line}\n`).join('')
}

/** Diagnostic notation; ends with where reading stopped when not all could be read. */
export function diagnostic (bytes: Buffer): string {
  const cursor = { bytes, at: 0 }
  try {
    const text = item(cursor, 0)
    return cursor.at === bytes.length ? text : `${text} … ${bytes.length - cursor.at} more bytes follow at byte ${cursor.at}`
  } catch {
    return `(not readable as CBOR from byte ${cursor.at})`
  }
}

function item (cursor: Cursor, depth: number): string {
  if (depth > maxDepth) throw new RangeError('too deep')
  const head = cursor.bytes.readUInt8(cursor.at)
  const major = head >> 5
  if (major === 7) return simple(cursor, head & 31)
  const argument = argumentOf(cursor)
  switch (major) {
    case 0: return argument.toString()
    case 1: return (-1n - argument).toString()
    case 2: return `h'${take(cursor, argument).toString('hex')}'`
    case 3: return JSON.stringify(take(cursor, argument).toString('utf8'))
    case 4: return `[${list(cursor, argument, () => item(cursor, depth + 1))}]`
    case 5: return `{${list(cursor, argument, () => `${item(cursor, depth + 1)}: ${item(cursor, depth + 1)}`)}}`
    default: return `${argument}(${item(cursor, depth + 1)})`
  }
}

function list (cursor: Cursor, length: bigint, next: () => string): string {
  if (length > BigInt(cursor.bytes.length - cursor.at)) throw new RangeError('longer than the bytes')
  return Array.from({ length: Number(length) }, next).join(', ')
}

function argumentOf (cursor: Cursor): bigint {
  const info = cursor.bytes.readUInt8(cursor.at) & 31
  if (info < 24) {
    cursor.at++
    return BigInt(info)
  }
  const size = [1, 2, 4, 8][info - 24]
  // 28 to 30 are not assigned, 31 is indefinite length
  if (size === undefined) throw new RangeError('no such length')
  const value = cursor.bytes.subarray(cursor.at + 1, cursor.at + 1 + size)
  if (value.length < size) throw new RangeError('cut short')
  cursor.at += 1 + size
  return BigInt(`0x${value.toString('hex')}`)
}

function take (cursor: Cursor, length: bigint): Buffer {
  if (length > BigInt(cursor.bytes.length - cursor.at)) throw new RangeError('cut short')
  const from = cursor.at
  cursor.at += Number(length)
  return cursor.bytes.subarray(from, cursor.at)
}

function simple (cursor: Cursor, info: number): string {
  const at = cursor.at
  if (info === 26 || info === 27) {
    const text = String(info === 26 ? cursor.bytes.readFloatBE(at + 1) : cursor.bytes.readDoubleBE(at + 1))
    cursor.at += info === 26 ? 5 : 9
    return text
  }
  if (info === 25) {
    const half = cursor.bytes.readUInt16BE(at + 1)
    cursor.at += 3
    return `half(0x${half.toString(16).padStart(4, '0')})`
  }
  if (info > 24) throw new RangeError('no such value')
  cursor.at += info === 24 ? 2 : 1
  const known = new Map([[20, 'false'], [21, 'true'], [22, 'null'], [23, 'undefined']])
  return known.get(info) ?? `simple(${info === 24 ? cursor.bytes.readUInt8(at + 1) : info})`
}
