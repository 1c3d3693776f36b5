// An envelope as the bytes of a stream entry, and back. One field, so that neither Redis nor a client spends time on names:
//   0  version (1)   1  kind   2 … 17  publisher   18 … 23  received_at, ms since 1970, big-endian   24 …  CBOR payload
// A reader that meets a version it does not know leaves the entry where it is: a newer worker will take it.
import { type Envelope, type UplinkKind } from '../queue.ts'

export const entryVersion = 1
const headBytes = 24
const kinds: readonly UplinkKind[] = ['telemetry', 'birth', 'result']

/** Where an entry's parts are given to: all of an envelope but its `settle`. */
export type Message = Omit<Envelope, 'settle'>

/** The 16 bytes of a device id in lower-case UUID text. */
export function idBytes (id: string): Buffer {
  return Buffer.from(id.replaceAll('-', ''), 'hex')
}

export function idText (bytes: Buffer): string {
  const hex = bytes.toString('hex')
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`
}

/** `publisher`: of `idBytes`. */
export function encodeEntry ({ kind, payload, receivedAtMs }: Message, publisher: Buffer): Buffer {
  const bytes = Buffer.allocUnsafe(headBytes + payload.length)
  bytes[0] = entryVersion
  bytes[1] = kinds.indexOf(kind)
  publisher.copy(bytes, 2, 0, 16)
  bytes.writeUIntBE(Math.trunc(receivedAtMs), 18, 6) // until the year 10889
  payload.copy(bytes, headBytes)
  return bytes
}

/** Null: not written by a version this program knows. */
export function decodeEntry (bytes: Buffer): Message | null {
  const kind = kinds[bytes[1] ?? -1]
  if (bytes.length < headBytes || bytes[0] !== entryVersion || kind === undefined) return null
  return {
    publisher: idText(bytes.subarray(2, 18)),
    kind,
    payload: Buffer.from(bytes.subarray(headBytes)), // a view would pin what came in with it
    receivedAtMs: bytes.readUIntBE(18, 6)
  }
}
