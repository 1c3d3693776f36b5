// The passphrase that keys are encrypted with, from a file: never from the command line, where everybody can read it. Takes a path, gives
// the first line. A file that others can read is not used.
import { open, type FileHandle } from 'node:fs/promises'
import { PulsegateError } from './errors.ts'
import { fileFault } from './owner-only.ts'

/** A line that a person or a tool wrote; longer ones are another file. */
const maxBytes = 1_024
/** Of anything shorter every one can be tried. */
const minLength = 12

/** Rejects with CERTS_PASSPHRASE_UNUSABLE (missing, too short or too long) or CERTS_KEY_EXPOSED. */
export async function readPassphrase (path: string): Promise<string> {
  const file = await open(path, 'r').catch((cause: unknown) => {
    throw unusable(path, `cannot be read (${(cause as NodeJS.ErrnoException).code ?? 'unknown'})`, cause)
  })
  try {
    return await firstLine(path, file)
  } finally {
    await file.close()
  }
}

async function firstLine (path: string, file: FileHandle): Promise<string> {
  const { mode, uid, size } = await file.stat() // of the open file: nothing can be swapped in between
  const fault = fileFault({ path, mode, owner: uid, us: process.geteuid?.() })
  if (fault !== null) throw new PulsegateError('CERTS_KEY_EXPOSED', fault)
  if (size > maxBytes) throw unusable(path, `is longer than ${maxBytes} bytes`)
  const [line = ''] = (await file.readFile('utf8')).split(/\r?\n/)
  if (line.length < minLength) throw unusable(path, `holds fewer than ${minLength} characters in its first line`)
  return line
}

function unusable (path: string, how: string, cause?: unknown): PulsegateError {
  return new PulsegateError('CERTS_PASSPHRASE_UNUSABLE', `The passphrase file ${path} ${how}.`, { cause })
}
