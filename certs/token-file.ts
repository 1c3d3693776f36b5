// A file of enrolment tokens, as `pulsegate certs token --out` writes it: a line each, device id or `any`, a blank, the token. Takes the path
// and a device's id, gives a token; one for `any` is given once. Refuses a file that others can read.
import { readFile, stat } from 'node:fs/promises'
import { PulsegateError } from '../runtime/errors.ts'
import { keyFault } from './files.ts'
import { isDeviceId } from './profile.ts'
import { parseToken } from './token-text.ts'

export interface TokenFile {
  /** Throws CERTS_TOKEN_FILE when there is none left for `id`. */
  take (id: string): string
}

/** Throws CERTS_TOKEN_FILE; no message holds a token. */
export async function readTokenFile (path: string): Promise<TokenFile> {
  const fault = (how: string, cause?: unknown): PulsegateError => new PulsegateError('CERTS_TOKEN_FILE', `${path}: ${how}`, { cause })
  const file = await stat(path).catch((cause: unknown) => { throw fault('cannot be read', cause) })
  const exposed = keyFault({ path, mode: file.mode, owner: file.uid, us: process.geteuid?.() })
  if (exposed !== null) throw fault(exposed)
  const bound = new Map<string, string>()
  const free: string[] = []
  for (const [index, line] of (await readFile(path, 'utf8')).split('\n').entries()) {
    if (line.trim() === '' || line.startsWith('#')) continue
    const [id = '', token = '', ...more] = line.trim().split(/\s+/)
    if ((id !== 'any' && !isDeviceId(id)) || parseToken(token) === null || more.length > 0) throw fault(`line ${index + 1} is not a device id (or any) and a token`)
    if (id === 'any') free.push(token)
    else bound.set(id, token)
  }
  return {
    take (id) {
      const token = bound.get(id) ?? free.shift()
      if (token === undefined) throw fault(`there is no token for device ${id}, and none for any`)
      bound.delete(id)
      return token
    }
  }
}
