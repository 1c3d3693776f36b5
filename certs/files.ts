// Where the authority keeps what: takes a directory, gives the paths; reads and writes the files there.
// Promise: a file is either the old one or the whole new one, also after a power cut (temporary file, fsync, rename);
// private keys are 0600 from their first byte, and are not used when somebody else could have read or replaced them.
import { createPrivateKey, type KeyObject } from 'node:crypto'
import { open, readFile, stat } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { PulsegateError } from '../runtime/errors.ts'
import { fileFault, folderFault, writableFault } from '../runtime/owner-only.ts'
import { isMissing, replaceFile } from '../runtime/private-file.ts'
import { encryptedKeyPem, isEncryptedKey } from './encrypted-key.ts'
import { privateKeyPem } from './signing.ts'

export { fileFault as keyFault } from '../runtime/owner-only.ts'
export { isMissing, syncFolder as syncDirectory } from '../runtime/private-file.ts'

export interface AuthorityPaths {
  readonly directory: string
  /** Which CA does what, when there was ever more than one (layout.ts). */
  readonly layout: string
  readonly rootKey: string
  /** Of the CA that issues now. */
  readonly rootCertificate: string
  /** Of the only CA there ever was; layout.ts knows where the key of each is. */
  readonly issuingKey: string
  /** Of the CA that issues now. */
  readonly issuingCertificate: string
  /** Certificates of the issuing CAs that are trusted, and their roots: what the broker and the devices trust. */
  readonly ca: string
  /** The lists of the roots in `ca`, one after the other. */
  readonly rootCrl: string
  /** The lists of the issuing CAs in `ca`. */
  readonly issuingCrl: string
  readonly serverKey: string
  /** The server's certificate and those between it and the root. */
  readonly serverCertificate: string
  readonly devices: string
  readonly journal: string
}

/** `rootDirectory`: where root.key is kept when it is not in `directory` (a medium that is taken away). */
export function authorityPaths (directory: string, rootDirectory = directory): AuthorityPaths {
  const at = (...parts: string[]): string => join(resolve(directory), ...parts)
  return {
    directory: resolve(directory),
    layout: at('authority.json'),
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
  await replaceFile(path, pem, { mode: 0o600, overwrite: options.overwrite })
}

/** Writes what everybody may read (certificates, lists), 0644. */
export async function writePublic (path: string, text: string): Promise<void> {
  await replaceFile(path, text, { mode: 0o644, overwrite: true })
}

/**
 * Reads a private key after checking who could have read or replaced it. Throws CERTS_KEY_EXPOSED, CERTS_PASSPHRASE_UNUSABLE (it is
 * encrypted and `passphrase` is not given or another), CERTS_AUTHORITY_DAMAGED, or ENOENT as it is.
 */
export async function readKey (path: string, passphrase?: string): Promise<KeyObject> {
  const pem = await readKeyText(path)
  if (!isEncryptedKey(pem)) return parseKey(path, pem)
  if (passphrase === undefined) throw new PulsegateError('CERTS_PASSPHRASE_UNUSABLE', `${path} is encrypted, and no passphrase file is named.`)
  try {
    return createPrivateKey({ key: pem, passphrase })
  } catch {
    // without OpenSSL's error as cause: it can only say the same in other words
    throw new PulsegateError('CERTS_PASSPHRASE_UNUSABLE', `The passphrase does not open ${path}.`)
  }
}

/** The key's PEM as it is in the file. Errors: as of readKey. */
export async function readKeyText (path: string): Promise<string> {
  const file = await open(path, 'r')
  try {
    const { mode, uid } = await file.stat() // of the open file: nothing can be swapped in between
    const fault = fileFault({ path, mode, owner: uid, us: process.geteuid?.() })
    if (fault !== null) throw new PulsegateError('CERTS_KEY_EXPOSED', fault)
    return await file.readFile('utf8')
  } finally {
    await file.close()
  }
}

function parseKey (path: string, pem: string): KeyObject {
  try {
    return createPrivateKey(pem)
  } catch (error) {
    throw new PulsegateError('CERTS_AUTHORITY_DAMAGED', `${path} is not a readable private key in PEM.`, { cause: error })
  }
}

/** PKCS #8 PEM, under the passphrase when one is given. */
export function keyPem (key: KeyObject, passphrase?: string): string {
  return passphrase === undefined ? privateKeyPem(key) : encryptedKeyPem(key, passphrase)
}

/**
 * Refuses a directory with keys that others can look into, or could replace something in; of the root key's own directory, which may
 * be a medium's, only the latter. Throws CERTS_KEY_EXPOSED with what to type.
 */
export async function refuseOpenDirectory (path: string, kind: 'private' | 'unwritable' = 'private'): Promise<void> {
  const { mode, uid } = await stat(path)
  const folder = { path, mode, owner: uid, us: process.geteuid?.() }
  const fault = kind === 'private' ? folderFault(folder) : writableFault(folder)
  if (fault !== null) throw new PulsegateError('CERTS_KEY_EXPOSED', fault)
}

/** The text of a file that must be there. Throws CERTS_AUTHORITY_DAMAGED naming it. */
export async function readRequired (path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    throw new PulsegateError('CERTS_AUTHORITY_DAMAGED', `${path} cannot be read, in ${dirname(path)}.`, { cause: error })
  }
}

export async function isThere (path: string): Promise<boolean> {
  return await stat(path).then(() => true, (error: unknown) => {
    if (isMissing(error)) return false
    throw error
  })
}
