// The master key in a file: 32 random bytes in base64, 0600. Made once, never written over, refused when others could read it.
import { randomBytes } from 'node:crypto'
import { closeSync, existsSync, fsyncSync, linkSync, mkdirSync, openSync, unlinkSync, writeSync } from 'node:fs'
import { dirname } from 'node:path'
import { PulsegateError } from '../../runtime/errors.ts'
import { readPrivateFile } from '../../runtime/secret-file.ts'
import { type KeyService } from './key-service.ts'
import { localKeyService, masterKeyBytes } from './local-key.ts'

/** Errors: MASTER_KEY_MISSING, MASTER_KEY_INVALID, SECRET_FILE_EXPOSED, SECRET_FILE_MISSING (there, but not readable). */
export function masterKeyFile (path: string): KeyService {
  if (!existsSync(path)) throw new PulsegateError('MASTER_KEY_MISSING', `there is no master key at ${path}`)
  const text = readPrivateFile(path).toString('latin1').trim()
  const key = Buffer.from(text, 'base64')
  if (key.length !== masterKeyBytes || key.toString('base64') !== text) throw new PulsegateError('MASTER_KEY_INVALID', `${path} does not hold ${masterKeyBytes} bytes in base64`)
  return localKeyService(key, path)
}

/** Makes a new one; whole and on disk, or not there. Error MASTER_KEY_EXISTS. */
export function makeMasterKey (path: string): KeyService {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
  const temporary = `${path}.${randomBytes(6).toString('hex')}.tmp`
  try {
    const file = openSync(temporary, 'wx', 0o600)
    try {
      writeSync(file, `${randomBytes(masterKeyBytes).toString('base64')}\n`)
      fsyncSync(file)
    } finally {
      closeSync(file)
    }
    linkSync(temporary, path) // unlike a rename, fails when `path` is there
    syncDirectory(dirname(path))
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException
    if (code === 'EEXIST') throw new PulsegateError('MASTER_KEY_EXISTS', `${path} is there already`, { cause })
    throw new PulsegateError('SECRET_FILE_MISSING', `${path} cannot be made (${code ?? 'unknown'})`, { cause })
  } finally {
    if (existsSync(temporary)) unlinkSync(temporary)
  }
  return masterKeyFile(path)
}

/** The one that is there, or a new one. */
export function ensureMasterKey (path: string): { keys: KeyService, made: boolean } {
  if (existsSync(path)) return { keys: masterKeyFile(path), made: false }
  try {
    return { keys: makeMasterKey(path), made: true }
  } catch (error) {
    // another process was first
    if (error instanceof PulsegateError && error.code === 'MASTER_KEY_EXISTS') return { keys: masterKeyFile(path), made: false }
    throw error
  }
}

function syncDirectory (path: string): void {
  const directory = openSync(path, 'r')
  try {
    fsyncSync(directory)
  } finally {
    closeSync(directory)
  }
}
