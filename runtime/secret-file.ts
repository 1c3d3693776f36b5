// Secrets in files: a master key, a token, a URL with a password. Takes a path, gives the bytes. Promise: a file that somebody else
// could have read or replaced is not used, and the error says what to type.
import { closeSync, constants, fstatSync, openSync, readFileSync } from 'node:fs'
import { PulsegateError } from './errors.ts'
import { fileFault } from './owner-only.ts'

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
    const fault = fileFault({ path, mode: status.mode, owner: status.uid, us: process.geteuid?.() })
    if (fault !== null) throw new PulsegateError('SECRET_FILE_EXPOSED', fault)
    return readFileSync(file)
  } finally {
    closeSync(file)
  }
}

function codeOf (error: unknown): string {
  return (error as NodeJS.ErrnoException).code ?? 'unknown'
}
