// Secrets in files: a master key, a token, a URL with a password. Takes a path, gives the bytes. Promise: a file that somebody else
// could have read or replaced is not used, and the error says what to type. The rule is PostgreSQL's: ours and private (0600), or
// root's and readable by one group at most (0640), as a secret mounted for a service is.
import { closeSync, constants, fstatSync, openSync, readFileSync } from 'node:fs'
import { PulsegateError } from './errors.ts'

// a key or a URL; whatever is longer is another file
const maxBytes = 64 * 1024

/** The bytes of a secret's file. Errors: SECRET_FILE_MISSING, SECRET_FILE_EXPOSED. */
export function readPrivateFile (path: string): Buffer {
  let file: number
  try {
    // without waiting for the other end, should it be a pipe
    file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
  } catch (cause) {
    throw new PulsegateError('SECRET_FILE_MISSING', `${path} cannot be read (${codeOf(cause)})`, { cause })
  }
  try {
    const status = fstatSync(file) // of the open file: nothing can be swapped in between
    if (!status.isFile() || status.size > maxBytes) throw new PulsegateError('SECRET_FILE_MISSING', `${path} is not a file of at most ${maxBytes} bytes`)
    const fault = privateFileFault({ path, mode: status.mode, owner: status.uid, us: process.geteuid?.() })
    if (fault !== null) throw new PulsegateError('SECRET_FILE_EXPOSED', fault)
    return readFileSync(file)
  } finally {
    closeSync(file)
  }
}

/** What is wrong with a secret file's owner and mode, with the remedy; null when nothing is. `us` is undefined where there are no user ids. */
export function privateFileFault (file: { path: string, mode: number, owner: number, us: number | undefined }): string | null {
  const { path, mode, owner, us } = file
  if (us === undefined) return null
  if (owner !== us && owner !== 0) {
    return `${path} belongs to user ${owner}, who can replace it; we run as user ${us}. Run: chown ${us} '${path}'`
  }
  const allowed = owner === us ? 0o600 : 0o640
  if ((mode & 0o777 & ~(allowed | 0o100)) === 0) return null
  return `${path} has mode ${octal(mode)}, so others can read or write it. Run: chmod ${octal(allowed)} '${path}'`
}

function octal (mode: number): string {
  return (mode & 0o777).toString(8).padStart(4, '0')
}

function codeOf (error: unknown): string {
  return (error as NodeJS.ErrnoException).code ?? 'unknown'
}
