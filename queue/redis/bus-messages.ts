// The messages on the channel between brokers: small JSON with a version. Pure. What is read was written by whoever can publish in
// that Redis, so each field is checked; a message of another version or shape is nothing to this program, never an error.
import { type SessionMark } from '../peers.ts'

export type BusMessage =
  | { readonly from: string, readonly type: 'begun', readonly sessions: readonly SessionMark[] }
  | { readonly from: string, readonly type: 'revoked', readonly serials: readonly string[] }

/** Entries in one message, which is then at most about 30 kB. */
export const maxEntries = 500

const version = 1
const maxCharacters = 65_536
const idText = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/
const serialText = /^[0-9A-F]{1,64}$/
const fromText = /^[\w.:-]{1,100}$/
// the year 5138: a clock of ours that has heard it still has room to count on
const maxSinceMs = 1e14

export function isSerial (text: unknown): text is string {
  return typeof text === 'string' && serialText.test(text)
}

export function encodeBusMessage (message: BusMessage): string {
  const { from, type } = message
  return JSON.stringify(type === 'begun'
    ? { v: version, from, type, sessions: message.sessions.map(({ id, sinceMs }) => [id, sinceMs]) }
    : { v: version, from, type, serials: message.serials })
}

/** Null: not a message of ours, or not of this version. */
export function decodeBusMessage (text: string): BusMessage | null {
  if (text.length > maxCharacters) return null
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return null
  }
  if (typeof value !== 'object' || value === null) return null
  const { v, from, type, sessions, serials } = value as Record<string, unknown>
  if (v !== version || typeof from !== 'string' || !fromText.test(from)) return null
  if (type === 'begun' && isListOf(sessions, isSession)) return { from, type, sessions: sessions.map(([id, sinceMs]) => ({ id, sinceMs })) }
  if (type === 'revoked' && isListOf(serials, isSerial)) return { from, type, serials }
  return null
}

function isListOf<T> (value: unknown, isOne: (entry: unknown) => entry is T): value is T[] {
  return Array.isArray(value) && value.length <= maxEntries && value.every(isOne)
}

function isSession (entry: unknown): entry is [string, number] {
  if (!Array.isArray(entry) || entry.length !== 2) return false
  const [id, sinceMs] = entry as unknown[]
  return typeof id === 'string' && idText.test(id) && Number.isSafeInteger(sinceMs) && (sinceMs as number) >= 0 && (sinceMs as number) <= maxSinceMs
}
