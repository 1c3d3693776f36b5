// What an Authorization header says. Pure. Its content appears in no log and no message.
import { Refusal } from './answer.ts'

export interface TokenCredentials {
  /** The user of Basic, as sent; null with Bearer. */
  readonly user: string | null
  readonly token: string
}

/** Null without a header. Throws Refusal (401) for one that is not understood. */
export function credentialsOf (header: string | undefined): TokenCredentials | null {
  if (header === undefined) return null
  const [scheme = '', value = '', ...more] = header.trim().split(/ +/)
  if (value === '' || more.length > 0) throw new Refusal('authorization')
  if (scheme.toLowerCase() === 'bearer') return { user: null, token: value }
  if (scheme.toLowerCase() !== 'basic' || !/^[A-Za-z0-9+/]+=*$/.test(value)) throw new Refusal('authorization')
  const text = Buffer.from(value, 'base64').toString('utf8')
  const colon = text.indexOf(':')
  if (colon < 0) throw new Refusal('authorization')
  return { user: text.slice(0, colon), token: text.slice(colon + 1) }
}
