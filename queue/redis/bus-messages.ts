// The messages on the channel between brokers: small JSON with a version. Pure. What is read was written by whoever can publish in
// that Redis, so each field is checked; a message of another version or shape is nothing to this program, never an error.
import { isIP } from 'node:net'
import { type CertificateUse, type SessionMark } from '../peers.ts'

export type BusMessage =
  | { readonly from: string, readonly type: 'begun', readonly sessions: readonly SessionMark[] }
  | { readonly from: string, readonly type: 'used', readonly uses: readonly CertificateUse[] }
  | { readonly from: string, readonly type: 'revoked', readonly serials: readonly string[] }

/** Entries in one message, which is then at most about 30 kB. */
export const maxEntries = 500
/** The same of certificates, whose entries are longer. */
export const maxUses = 200

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
  const head = { v: version, from, type }
  if (type === 'begun') return JSON.stringify({ ...head, sessions: message.sessions.map(({ id, sinceMs }) => [id, sinceMs]) })
  if (type === 'revoked') return JSON.stringify({ ...head, serials: message.serials })
  return JSON.stringify({ ...head, uses: message.uses.map(({ id, serial, notBeforeMs, expiresAtMs, address }) => [id, serial, notBeforeMs, expiresAtMs, address]) })
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
  const { v, from, type, sessions, serials, uses } = value as Record<string, unknown>
  if (v !== version || typeof from !== 'string' || !fromText.test(from)) return null
  if (type === 'begun' && isListOf(sessions, isSession)) return { from, type, sessions: sessions.map(([id, sinceMs]) => ({ id, sinceMs })) }
  if (type === 'revoked' && isListOf(serials, isSerial)) return { from, type, serials }
  if (type === 'used' && isListOf(uses, isUse, maxUses)) {
    return { from, type, uses: uses.map(([id, serial, notBeforeMs, expiresAtMs, address]) => ({ id, serial, notBeforeMs, expiresAtMs, address })) }
  }
  return null
}

function isListOf<T> (value: unknown, isOne: (entry: unknown) => entry is T, most = maxEntries): value is T[] {
  return Array.isArray(value) && value.length <= most && value.every(isOne)
}

function isSession (entry: unknown): entry is [string, number] {
  if (!Array.isArray(entry) || entry.length !== 2) return false
  const [id, sinceMs] = entry as unknown[]
  return typeof id === 'string' && idText.test(id) && isTime(sinceMs)
}

function isUse (entry: unknown): entry is [string, string, number, number, string] {
  if (!Array.isArray(entry) || entry.length !== 5) return false
  const [id, serial, notBeforeMs, expiresAtMs, address] = entry as unknown[]
  return typeof id === 'string' && idText.test(id) && isSerial(serial) && isTime(notBeforeMs) && isTime(expiresAtMs) && typeof address === 'string' && isIP(address) !== 0
}

function isTime (value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0 && (value as number) <= maxSinceMs
}
