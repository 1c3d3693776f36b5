// The chain itself, pure: h_n = SHA-256(domain tag || h_(n-1) || canonical JSON of row n), from a start of 32 zero bytes. Whoever
// changes, removes or moves a row must change every hash after it, and then no longer agrees with any head signed before.
import { hash } from 'node:crypto'
import { type StampedEvent, textOf } from './event.ts'

/** Where the chain ends: the last row's number and hash; number 0 before the first row. */
export interface Head {
  readonly number: number
  readonly hash: Buffer
}

export interface ChainRow extends Head {
  readonly id: string
  readonly text: string
}

/** What every hash begins with, so that it can be no other kind of hash. */
export const rowTag = 'pulsegate audit v1\n'

export const emptyChain: Head = { number: 0, hash: Buffer.alloc(32) }

// a million rows are hashed when a trail is verified: one call and no new buffer each
const tagBytes = Buffer.byteLength(rowTag)
const space = Buffer.alloc(65_536, rowTag)

export function linkHash (before: Buffer, text: string): Buffer {
  return Buffer.from(linkHex(before.toString('hex'), text), 'hex')
}

/** The same from hex to hex. */
export function linkHex (before: string, text: string): string {
  const most = tagBytes + before.length / 2 + 3 * text.length
  const bytes = most <= space.length ? space : Buffer.alloc(most, rowTag)
  const start = tagBytes + bytes.write(before, tagBytes, 'hex')
  return hash('sha256', bytes.subarray(0, start + bytes.write(text, start, 'utf8')), 'hex')
}

/** The rows that `events` become behind `head`. */
export function chainRows (head: Head, events: readonly StampedEvent[]): ChainRow[] {
  let last = head
  return events.map((event) => {
    const number = last.number + 1
    const text = textOf(event, number)
    const row = { number, id: event.id, hash: linkHash(last.hash, text), text }
    last = row
    return row
  })
}
