// The bytes of a quarantined message for a person: hex, and CBOR's diagnostic notation (RFC 8949, 8) as far as the bytes can be read.
// Lenient where the decoder is strict: it shows what is there, what the contract forbids included, and where reading stops.
// Not for decisions.
import { isUtf8 } from 'node:buffer'

const maxDepth = 16
const breakByte = 0xff

/** Where reading is, and what has been written so far: when reading fails, that much is shown. */
interface Cursor { readonly bytes: Buffer, at: number, text: string }

/** 16 bytes a line with their offset and, where they are printable ASCII, as text. */
export function hexText (bytes: Buffer): string {
  let text = ''
  for (let at = 0; at < bytes.length; at += 16) {
    const line = bytes.subarray(at, at + 16)
    const hex = line.toString('hex').replace(/(..)(?=.)/g, '$1 ')
    text += `${at.toString(16).padStart(5, '0')}  ${hex.padEnd(47)}  ${line.toString('latin1').replace(/[^ -~]/g, '.')}\n`
  }
  return text
}

/** Diagnostic notation; ends with where and why reading stopped when not all could be read. */
export function diagnostic (bytes: Buffer): string {
  const cursor: Cursor = { bytes, at: 0, text: '' }
  try {
    item(cursor, 0)
  } catch (error) {
    const why = error instanceof RangeError && 'code' in error ? 'cut short' : (error as Error).message
    return `${cursor.text === '' ? '' : `${cursor.text.trimEnd()} `}… (not readable as CBOR from byte ${cursor.at}: ${why})`
  }
  return cursor.at === bytes.length ? cursor.text : `${cursor.text} … ${bytes.length - cursor.at} more bytes follow at byte ${cursor.at}`
}

function item (cursor: Cursor, depth: number): void {
  if (depth > maxDepth) throw new RangeError(`nested more than ${maxDepth} deep`)
  const head = cursor.bytes.readUInt8(cursor.at)
  const major = head >> 5
  if (major === 7) {
    cursor.text += simple(cursor, head & 31)
    return
  }
  if ((head & 31) === 31 && major >= 2 && major <= 5) {
    indefinite(cursor, major, depth)
    return
  }
  const start = cursor.at
  const argument = argumentOf(cursor)
  switch (major) {
    case 0: cursor.text += argument.toString(); break
    case 1: cursor.text += (-1n - argument).toString(); break
    case 2: cursor.text += `h'${take(cursor, argument, start).toString('hex')}'`; break
    case 3: cursor.text += textOf(take(cursor, argument, start)); break
    case 4: list(cursor, '[', ']', argument, () => { item(cursor, depth + 1) }); break
    case 5: list(cursor, '{', '}', argument, () => { pair(cursor, depth + 1) }); break
    default:
      cursor.text += `${argument}(`
      item(cursor, depth + 1)
      cursor.text += ')'
  }
}

function pair (cursor: Cursor, depth: number): void {
  item(cursor, depth)
  cursor.text += ': '
  item(cursor, depth)
}

function list (cursor: Cursor, open: string, close: string, length: bigint, next: () => void): void {
  cursor.text += open
  for (let n = 0n; n < length; n++) {
    if (n > 0n) cursor.text += ', '
    next()
  }
  cursor.text += close
}

/** Up to a break byte: `[_ 1, 2]`, `{_ 1: 2}`, `(_ h'01', h'02')`. */
function indefinite (cursor: Cursor, major: number, depth: number): void {
  const [open, close] = major === 4 ? '[]' : major === 5 ? '{}' : '()'
  cursor.text += `${open}_ `
  cursor.at++
  for (let n = 0; cursor.bytes.readUInt8(cursor.at) !== breakByte; n++) {
    if (n > 0) cursor.text += ', '
    if (major === 5) pair(cursor, depth + 1)
    else item(cursor, depth + 1)
  }
  cursor.at++
  cursor.text += close
}

function argumentOf (cursor: Cursor): bigint {
  const info = cursor.bytes.readUInt8(cursor.at) & 31
  if (info < 24) {
    cursor.at++
    return BigInt(info)
  }
  const size = [1, 2, 4, 8][info - 24]
  // 28 to 30 are not assigned, 31 is handled by those who may have it
  if (size === undefined) throw new RangeError('no such length')
  const value = cursor.bytes.subarray(cursor.at + 1, cursor.at + 1 + size)
  if (value.length < size) throw new RangeError('cut short')
  cursor.at += 1 + size
  return BigInt(`0x${value.toString('hex')}`)
}

/** `start`: of the item, where reading stops when its bytes are not there. */
function take (cursor: Cursor, length: bigint, start: number): Buffer {
  const left = cursor.bytes.length - cursor.at
  if (length > BigInt(left)) {
    cursor.at = start
    throw new RangeError(`${length} bytes are announced, ${left} are there`)
  }
  const from = cursor.at
  cursor.at += Number(length)
  return cursor.bytes.subarray(from, cursor.at)
}

function textOf (bytes: Buffer): string {
  return isUtf8(bytes) ? JSON.stringify(bytes.toString('utf8')) : `(text that is not UTF-8: h'${bytes.toString('hex')}')`
}

function simple (cursor: Cursor, info: number): string {
  const { bytes, at } = cursor
  const float = (size: number, value: number): string => {
    cursor.at += 1 + size
    return Number.isInteger(value) ? `${value}.0` : String(value)
  }
  if (info === 25) return float(2, halfOf(bytes.readUInt16BE(at + 1)))
  if (info === 26) return float(4, bytes.readFloatBE(at + 1))
  if (info === 27) return float(8, bytes.readDoubleBE(at + 1))
  if (info === 31) throw new RangeError('a break where none belongs')
  if (info > 24) throw new RangeError('no such value')
  const value = info === 24 ? bytes.readUInt8(at + 1) : info
  cursor.at += info === 24 ? 2 : 1
  return ['false', 'true', 'null', 'undefined'][value - 20] ?? `simple(${value})`
}

/** IEEE 754 binary16. */
function halfOf (half: number): number {
  const sign = half >> 15 === 0 ? 1 : -1
  const exponent = (half >> 10) & 31
  const fraction = half & 1023
  if (exponent === 31) return fraction === 0 ? sign * Infinity : NaN
  return sign * (exponent === 0 ? fraction * 2 ** -24 : (1024 + fraction) * 2 ** (exponent - 25))
}
