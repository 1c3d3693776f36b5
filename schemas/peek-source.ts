// Which device a message speaks of, looked up in the bytes without decoding them: the broker needs it to keep the messages of one
// source in one stream, and must spend next to nothing on it. Takes a payload nobody has checked; gives the source id's 16
// bytes (header key 1), or null when there is none to be found, which includes everything that is not the contract.
import { HeadReader } from './heads.ts'

const reader = new HeadReader() // one look at a time, nothing is kept between two
const maxKeys = 32
const maxDepth = 8

/** The 16 bytes of the source id as a view of `payload`, or null: then the publisher itself is the source. */
export function peekSource (payload: Uint8Array): Uint8Array | null {
  reader.start(payload)
  try {
    return look(payload)
  } finally {
    reader.stop()
  }
}

function look (payload: Uint8Array): Uint8Array | null {
  if (!headOf(5)) return null
  const keys = Math.min(reader.argument, maxKeys)
  for (let i = 0; i < keys; i++) {
    // the source's key is 1, so a negative key or another type cannot be it
    if (!reader.head()) return null
    const { major, argument } = reader
    if (major === 0 && argument === 1) return idAt(payload)
    if (major > 1 || !skipItem(0)) return null
  }
  return null
}

function idAt (payload: Uint8Array): Uint8Array | null {
  if (!headOf(2) || reader.argument !== 16) return null
  const from = reader.at
  return reader.skip(16, from) ? payload.subarray(from, from + 16) : null
}

/** Reads a head; is it one of this major type? */
function headOf (major: number): boolean {
  return reader.head() && reader.major === major
}

function skipItem (depth: number): boolean {
  if (depth > maxDepth || !reader.head()) return false
  const { major, argument, at } = reader
  if (major === 2 || major === 3) return reader.skip(argument, at)
  if (major < 2 || major === 7) return true
  const items = major === 6 ? 1 : major === 5 ? argument * 2 : argument
  for (let i = 0; i < items; i++) if (!skipItem(depth + 1)) return false
  return true
}
