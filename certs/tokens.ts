// One-time enrolment tokens, a file each in `<authority>/tokens/`: takes a device id (or none) and a life, gives a token once, and
// later the right to one certificate. Only the hash of a token is kept.
// Promise: a token is spent by at most one caller, also with several processes at once (a rename succeeds once); what is spent,
// revoked or past its end never enrols anything.
import { mkdir, readdir, readFile, rename, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { PulsegateError } from '../runtime/errors.ts'
import { isMissing, syncDirectory, writeKey } from './files.ts'
import { hashSecret, isTokenName, makeTokenParts, parseToken, secretMatches, tokenText } from './token-text.ts'

export interface TokenRecord {
  readonly name: string
  /** The only device it may enrol; null: any device that this authority has not issued for before. */
  readonly device: string | null
  readonly madeAtMs: number
  readonly expiresAtMs: number
}

export type TokenState = 'open' | 'used' | 'revoked' | 'expired'

/** Why a token does not enrol. `unknown` is also what a wrong secret is. */
export type TokenFault = 'malformed' | 'unknown' | 'used' | 'revoked' | 'expired' | 'wrong-device'

export interface MadeToken extends TokenRecord {
  /** The token itself. Show it once, keep it nowhere. */
  readonly token: string
}

interface StoredToken extends TokenRecord { readonly hash: string }

export const tokenLifeMs = { default: 24 * 3_600_000, minimum: 60_000, maximum: 30 * 86_400_000 } as const

/** Open tokens at once: each is a file. */
export const maxOpenTokens = 20_000

/** Spent, revoked and expired ones are listed for so long. */
const keepMs = 30 * 86_400_000

const closedFolders = ['used', 'revoked'] as const

export class Tokens {
  readonly #directory: string

  /** `directory`: the authority's. Nothing is made before the first token is. */
  constructor (directory: string) {
    this.#directory = join(directory, 'tokens')
  }

  /** Makes a token each for `devices` (null: for any new device). Throws CERTS_INPUT_INVALID, CERTS_TOKENS_FULL. */
  async make (devices: ReadonlyArray<string | null>, lifeMs: number = tokenLifeMs.default, nowMs: number = Date.now()): Promise<MadeToken[]> {
    if (!(lifeMs >= tokenLifeMs.minimum && lifeMs <= tokenLifeMs.maximum)) {
      throw new PulsegateError('CERTS_INPUT_INVALID', 'A token lives from one minute to 30 days.')
    }
    for (const folder of ['', ...closedFolders]) await mkdir(join(this.#directory, folder), { recursive: true, mode: 0o700 })
    await this.#prune(nowMs)
    const open = (await names(this.#directory)).length
    if (open + devices.length > maxOpenTokens) {
      throw new PulsegateError('CERTS_TOKENS_FULL', `There are ${open} open tokens, and ${maxOpenTokens} may be.`)
    }
    const made: MadeToken[] = []
    for (const device of devices) made.push(await this.#makeOne({ device, madeAtMs: nowMs, expiresAtMs: nowMs + lifeMs }))
    await syncDirectory(this.#directory)
    return made
  }

  /** Whether `text` may enrol `device` now. Spends nothing. */
  async check (text: string, device: string, nowMs: number = Date.now()): Promise<{ readonly record: TokenRecord } | { readonly fault: TokenFault, readonly name?: string }> {
    const parts = parseToken(text)
    if (parts === null) return { fault: 'malformed' }
    const { name, secret } = parts
    const stored = await read(join(this.#directory, `${name}.json`))
    if (stored === null) return { fault: await this.#closedAs(name, secret), name }
    if (!secretMatches(secret, stored.hash)) return { fault: 'unknown', name }
    const { hash: _, ...record } = stored
    if (nowMs >= record.expiresAtMs) return { fault: 'expired', name }
    return record.device !== null && record.device !== device ? { fault: 'wrong-device', name } : { record }
  }

  /** The device a token is bound to, when the token is open and right; null otherwise. For callers that do not say who they are. */
  async deviceOf (text: string): Promise<string | null> {
    const parts = parseToken(text)
    const stored = parts === null ? null : await read(join(this.#directory, `${parts.name}.json`))
    return parts !== null && stored !== null && secretMatches(parts.secret, stored.hash) ? stored.device : null
  }

  /** Spends it; false when somebody else was first. Survives a power cut from when it resolves. */
  async spend (name: string): Promise<boolean> {
    return await this.#close(name, 'used')
  }

  /** Undoes `spend` when nothing was issued for it. */
  async giveBack (name: string): Promise<void> {
    await rename(join(this.#directory, 'used', `${name}.json`), join(this.#directory, `${name}.json`))
  }

  /** Throws CERTS_UNKNOWN when there is no open token of that name. */
  async revoke (name: string): Promise<TokenRecord> {
    const stored = isTokenName(name) ? await read(join(this.#directory, `${name}.json`)) : null
    if (stored === null || !await this.#close(name, 'revoked')) throw new PulsegateError('CERTS_UNKNOWN', `There is no open token named "${name}".`)
    const { hash: _, ...record } = stored
    return record
  }

  /** All that are known, oldest first. */
  async list (nowMs: number = Date.now()): Promise<Array<TokenRecord & { readonly state: TokenState }>> {
    const of = async (folder: string, state: TokenState): Promise<Array<TokenRecord & { state: TokenState }>> => {
      const stored = await Promise.all((await names(join(this.#directory, folder))).map((name) => read(join(this.#directory, folder, `${name}.json`))))
      return stored.flatMap((token) => {
        if (token === null) return []
        const { hash: _, ...record } = token
        return [{ ...record, state: state === 'open' && nowMs >= record.expiresAtMs ? 'expired' : state }]
      })
    }
    const all = [...await of('', 'open'), ...await of('used', 'used'), ...await of('revoked', 'revoked')]
    return all.sort((a, b) => a.madeAtMs - b.madeAtMs)
  }

  async #makeOne (record: Omit<TokenRecord, 'name'>): Promise<MadeToken> {
    const parts = makeTokenParts()
    const stored: StoredToken = { name: parts.name, ...record, hash: hashSecret(parts.secret) }
    await writeKey(join(this.#directory, `${parts.name}.json`), `${JSON.stringify(stored)}\n`, { overwrite: false })
    return { name: parts.name, ...record, token: tokenText(parts) }
  }

  async #close (name: string, folder: typeof closedFolders[number]): Promise<boolean> {
    const from = join(this.#directory, `${name}.json`)
    try {
      await rename(from, join(this.#directory, folder, `${name}.json`)) // of two callers one finds nothing to rename any more
    } catch (error) {
      if (isMissing(error)) return false
      throw error
    }
    await syncDirectory(join(this.#directory, folder))
    await syncDirectory(this.#directory)
    return true
  }

  /** Only who knows the secret is told (in the audit trail) that it was a token once. */
  async #closedAs (name: string, secret: string): Promise<TokenFault> {
    for (const folder of closedFolders) {
      const stored = await read(join(this.#directory, folder, `${name}.json`))
      if (stored !== null && secretMatches(secret, stored.hash)) return folder
    }
    return 'unknown'
  }

  async #prune (nowMs: number): Promise<void> {
    for (const folder of ['', ...closedFolders]) {
      for (const name of await names(join(this.#directory, folder))) {
        const path = join(this.#directory, folder, `${name}.json`)
        const stored = await read(path)
        if (stored !== null && nowMs > stored.expiresAtMs + keepMs) await unlink(path)
      }
    }
  }
}

async function names (directory: string): Promise<string[]> {
  try {
    return (await readdir(directory)).filter((file) => file.endsWith('.json')).map((file) => file.slice(0, -'.json'.length)).filter(isTokenName)
  } catch (error) {
    if (isMissing(error)) return []
    throw error
  }
}

/** Null when the file is not there or not a token's. */
async function read (path: string): Promise<StoredToken | null> {
  try {
    const stored = JSON.parse(await readFile(path, 'utf8')) as Partial<StoredToken> | null
    const whole = typeof stored?.name === 'string' && typeof stored.hash === 'string' && typeof stored.expiresAtMs === 'number' && stored.device !== undefined
    return whole ? stored as StoredToken : null
  } catch (error) {
    if (isMissing(error) || error instanceof SyntaxError) return null
    throw error
  }
}
