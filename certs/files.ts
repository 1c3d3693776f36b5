// Where the authority keeps what: takes a directory, gives the paths; reads and writes the files there.
// Promise: a file is either the old one or the whole new one, also after a power cut (temporary file, fsync, rename);
// private keys are 0600 from their first byte, and are not used when somebody else could have read or replaced them.
import { createPrivateKey, randomBytes, type KeyObject } from 'node:crypto'
import { link, open, readFile, rename, unlink } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { PulsegateError } from '../runtime/errors.ts'

export interface AuthorityPaths {
  readonly directory: string
  readonly rootKey: string
  readonly rootCertificate: string
  readonly issuingKey: string
  readonly issuingCertificate: string
  /** Issuing and root certificate: what the broker and the devices trust. */
  readonly ca: string
  readonly rootCrl: string
  readonly issuingCrl: string
  readonly serverKey: string
  /** The server's certificate and the issuing one. */
  readonly serverCertificate: string
  readonly devices: string
  readonly journal: string
}

/** `rootDirectory`: where root.key is kept when it is not in `directory` (a medium that is taken away). */
export function authorityPaths (directory: string, rootDirectory = directory): AuthorityPaths {
  const at = (...parts: string[]): string => join(resolve(directory), ...parts)
  return {
    directory: resolve(directory),
    rootKey: join(resolve(rootDirectory), 'root.key'),
    rootCertificate: at('root.crt'),
    issuingKey: at('issuing.key'),
    issuingCertificate: at('issuing.crt'),
    ca: at('ca.pem'),
    rootCrl: at('crl', 'root.pem'),
    issuingCrl: at('crl', 'issuing.pem'),
    serverKey: at('server', 'server.key'),
    serverCertificate: at('server', 'server.crt'),
    devices: at('devices'),
    journal: at('index.jsonl')
  }
}

export interface DeviceFiles { readonly keyFile: string, readonly certFile: string }

export function deviceFiles (paths: AuthorityPaths, id: string): DeviceFiles {
  return { keyFile: join(paths.devices, `${id}.key`), certFile: join(paths.devices, `${id}.crt`) }
}

/** Writes a private key, 0600. `overwrite: false` fails with EEXIST instead of replacing a key that is there. */
export async function writeKey (path: string, pem: string, options: { overwrite: boolean }): Promise<void> {
  await writeWhole(path, pem, 0o600, options.overwrite)
}

/** Writes what everybody may read (certificates, lists), 0644. */
export async function writePublic (path: string, text: string): Promise<void> {
  await writeWhole(path, text, 0o644, true)
}

async function writeWhole (path: string, text: string, mode: number, overwrite: boolean): Promise<void> {
  const temporary = `${path}.${randomBytes(6).toString('hex')}.tmp`
  try {
    const file = await open(temporary, 'wx', mode)
    try {
      await file.writeFile(text)
      await file.sync()
    } finally {
      await file.close()
    }
    if (overwrite) await rename(temporary, path)
    else await link(temporary, path) // unlike rename, fails when `path` is there
  } finally {
    await unlink(temporary).catch(() => {}) // gone already after a rename
  }
}

/** Makes renames in a directory survive a power cut. */
export async function syncDirectory (path: string): Promise<void> {
  const directory = await open(path, 'r')
  try {
    await directory.sync()
  } finally {
    await directory.close()
  }
}

/** Reads a private key after checking who could have read or replaced it. Throws CERTS_KEY_EXPOSED, or ENOENT as it is. */
export async function readKey (path: string): Promise<KeyObject> {
  const file = await open(path, 'r')
  try {
    const { mode, uid } = await file.stat() // of the open file: nothing can be swapped in between
    const fault = keyFault({ path, mode, owner: uid, us: process.geteuid?.() })
    if (fault !== null) throw new PulsegateError('CERTS_KEY_EXPOSED', fault)
    return createPrivateKey(await file.readFile('utf8'))
  } catch (error) {
    if (error instanceof PulsegateError) throw error
    throw new PulsegateError('CERTS_AUTHORITY_DAMAGED', `${path} is not a readable private key in PEM.`, { cause: error })
  } finally {
    await file.close()
  }
}

/**
 * What is wrong with a key file's owner and mode, with the remedy; null when nothing is. The rule is PostgreSQL's: ours and
 * private (0600), or root's and readable by one group at most (0640), as a secret mounted for a service is. A key that
 * belongs to another plain user is refused to root too: that user could replace it. `us` is undefined where there are no
 * user ids (Windows).
 */
export function keyFault (file: { path: string, mode: number, owner: number, us: number | undefined }): string | null {
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

/** The text of a file that must be there. Throws CERTS_AUTHORITY_DAMAGED naming it. */
export async function readRequired (path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    throw new PulsegateError('CERTS_AUTHORITY_DAMAGED', `${path} cannot be read, in ${dirname(path)}.`, { cause: error })
  }
}

export function isMissing (error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT'
}
