// What a one-time enrolment token looks like: `pgt_<name>_<secret>`. The name (64 random bits) may be printed and logged, and finds
// the token's record; the secret (256 random bits) is shown once, to whoever makes it, and is kept as its SHA-256 only. A hash that is
// slow on purpose would add nothing: nobody guesses 256 bits. Pure but for the dice.
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'

export interface TokenParts {
  /** 16 hex digits; no secret. */
  readonly name: string
  readonly secret: string
}

const shape = /^pgt_([0-9a-f]{16})_([A-Za-z0-9_-]{43})$/
const nameShape = /^[0-9a-f]{16}$/

export function makeTokenParts (): TokenParts {
  return { name: randomBytes(8).toString('hex'), secret: randomBytes(32).toString('base64url') }
}

export function tokenText ({ name, secret }: TokenParts): string {
  return `pgt_${name}_${secret}`
}

/** Null for anything that is not a token's text. */
export function parseToken (text: string): TokenParts | null {
  const [, name, secret] = shape.exec(text) ?? []
  return name === undefined || secret === undefined ? null : { name, secret }
}

export function isTokenName (text: string): boolean {
  return nameShape.test(text)
}

/** SHA-256 of the secret, hex. */
export function hashSecret (secret: string): string {
  return createHash('sha256').update(secret).digest('hex')
}

/** Compares in a time that says nothing about where the two differ. */
export function secretMatches (secret: string, hash: string): boolean {
  const [given, kept] = [Buffer.from(hashSecret(secret)), Buffer.from(hash)]
  return given.length === kept.length && timingSafeEqual(given, kept)
}
