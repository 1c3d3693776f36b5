// Signed heads, pure: "the chain had `number` rows at that time, and this was the last one's hash", signed with Ed25519. They stand in the
// table audit_head and, one JSON object a line, in heads.jsonl outside of the database.
import { createPublicKey, type KeyObject, sign, verify } from 'node:crypto'
import { canonicalJson } from './canonical.ts'
import { type Head } from './chain.ts'
import { keyIdOf } from './keys.ts'

export interface SignedHead {
  readonly number: number
  /** Hex. */
  readonly hash: string
  readonly atMs: number
  /** Id of the key that signed. */
  readonly key: string
  /** Base64. */
  readonly signature: string
}

/** What is signed begins with it. */
export const headTag = 'pulsegate audit head v1\n'

export function signHead ({ number, hash }: Head, atMs: number, privateKey: KeyObject): SignedHead {
  const unsigned = { number, hash: hash.toString('hex'), atMs, key: keyIdOf(createPublicKey(privateKey)) }
  return { ...unsigned, signature: sign(null, statementOf(unsigned), privateKey).toString('base64') }
}

/** Whether `publicKey` signed exactly this. */
export function isSignedHead (head: SignedHead, publicKey: KeyObject): boolean {
  return verify(null, statementOf(head), publicKey, Buffer.from(head.signature, 'base64'))
}

function statementOf ({ number, hash, atMs, key }: Omit<SignedHead, 'signature'>): Buffer {
  return Buffer.from(headTag + canonicalJson({ number, hash, atMs, key }))
}

/** Tells one head from another; the same in the file and in the table. */
export function headName ({ number, hash, atMs, key, signature }: SignedHead): string {
  return canonicalJson({ number, hash, atMs, key, signature })
}

/** The head in a line of heads.jsonl; null when it is none. */
export function parseHead (line: string): SignedHead | null {
  try {
    const head = JSON.parse(line) as Partial<SignedHead> | null
    const whole = Number.isSafeInteger(head?.number) && Number.isSafeInteger(head?.atMs) && typeof head?.hash === 'string' &&
      /^[0-9a-f]{64}$/.test(head.hash) && typeof head.key === 'string' && typeof head.signature === 'string'
    return whole ? head as SignedHead : null
  } catch {
    return null
  }
}
