// The folder outside of the database that the audit trail needs: the key that signs heads, the public keys that ever did, and the heads.
// Made at the first start, also when several processes start at once; its key is not used when others could have read it.
import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto'
import { chmod, mkdir, open, readdir, readFile, stat, unlink } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { PulsegateError } from '../../runtime/errors.ts'
import { fileFault } from '../../runtime/owner-only.ts'
import { appendLines, isMissing, writeWhole } from '../../runtime/private-file.ts'
import { firstRecord, keyIdOf, type KeyRecord, parseKeyRecords, parsePublicKey, successorRecord } from './keys.ts'

export interface AuditFolder {
  readonly directory: string
  /** PKCS#8 PEM, 0600. */
  readonly privateKey: string
  readonly publicKey: string
  /** Every public key that ever signed here (keys.ts). */
  readonly keys: string
  readonly heads: string
  /** Events that wait for a database. */
  readonly spool: string
  /** Public keys of other machines, in PEM, put there by a person. */
  readonly trusted: string
}

export function auditFolder (directory: string): AuditFolder {
  const at = (name: string): string => join(resolve(directory), name)
  return {
    directory: resolve(directory),
    privateKey: at('signing.key'),
    publicKey: at('signing.pub'),
    keys: at('keys.jsonl'),
    heads: at('heads.jsonl'),
    spool: at('spool'),
    trusted: at('trusted')
  }
}

/** Makes the folder and its key where they are missing. True when the key was made just now. Errors: AUDIT_FOLDER, AUDIT_KEY_EXPOSED. */
export async function ensureFolder (folder: AuditFolder): Promise<boolean> {
  await makeDirectory(folder.directory)
  const pem = generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
  // whoever comes second finds the first one's key and uses that
  const made = await writeWhole(folder.privateKey, pem, { mode: 0o600, overwrite: false }).then(() => true, (error: unknown) => {
    if ((error as { code?: string }).code !== 'EEXIST') throw error
    return false
  })
  await publish(folder, createPublicKey(await readSigningKey(folder)))
  return made
}

async function makeDirectory (directory: string): Promise<void> {
  try {
    await mkdir(directory, { recursive: true, mode: 0o700 })
    const { mode, uid } = await stat(directory)
    const us = process.geteuid?.()
    if (us !== undefined && uid !== us && uid !== 0) throw new PulsegateError('AUDIT_FOLDER', `${directory} belongs to user ${uid}; we run as user ${us}. Run: chown -R ${us} '${directory}'`)
    if ((mode & 0o077) !== 0) await chmod(directory, 0o700)
  } catch (cause) {
    if (cause instanceof PulsegateError) throw cause
    throw new PulsegateError('AUDIT_FOLDER', `${directory} cannot be used as a folder (${(cause as NodeJS.ErrnoException).code ?? 'unknown'}): name one that this user may write`, { cause })
  }
}

/** The public key beside the private one, and in the list. */
async function publish (folder: AuditFolder, publicKey: KeyObject): Promise<void> {
  await writeWhole(folder.publicKey, publicKey.export({ type: 'spki', format: 'pem' }).toString(), { mode: 0o644, overwrite: true })
  const { records } = await readKeys(folder)
  if (records.some(({ key }) => key === keyIdOf(publicKey))) return
  await appendLines(folder.keys, `${JSON.stringify(firstRecord(publicKey, Date.now()))}\n`)
}

/** The key to sign with; read again each time, because it may have been rotated. Errors: AUDIT_KEY_EXPOSED, AUDIT_KEY_INVALID. */
export async function readSigningKey ({ privateKey: path }: AuditFolder): Promise<KeyObject> {
  const file = await open(path, 'r').catch((cause: unknown) => { throw new PulsegateError('AUDIT_KEY_INVALID', `${path} cannot be read`, { cause }) })
  try {
    const { mode, uid } = await file.stat() // of the open file: nothing can be swapped in between
    const fault = fileFault({ path, mode, owner: uid, us: process.geteuid?.() })
    if (fault !== null) throw new PulsegateError('AUDIT_KEY_EXPOSED', fault)
    const key = createPrivateKey(await file.readFile('utf8'))
    if (key.asymmetricKeyType !== 'ed25519') throw new Error('another kind of key')
    return key
  } catch (cause) {
    if (cause instanceof PulsegateError) throw cause
    throw new PulsegateError('AUDIT_KEY_INVALID', `${path} is not an Ed25519 private key in PEM`, { cause })
  } finally {
    await file.close()
  }
}

/** The keys that ever signed here; none when there is no list. */
export async function readKeys ({ keys }: AuditFolder): Promise<{ records: KeyRecord[], bad: number }> {
  return parseKeyRecords(await readOrEmpty(keys))
}

/** Public keys of other machines. Error AUDIT_KEY_INVALID names the file. */
export async function readTrusted ({ trusted }: AuditFolder): Promise<KeyObject[]> {
  const names = await readdir(trusted).catch((error: unknown) => { if (isMissing(error)) return []; throw error })
  return Promise.all(names.filter((name) => /\.(pem|pub)$/.test(name)).map(async (name) => parsePublicKey(await readFile(join(trusted, name), 'utf8'), join(trusted, name))))
}

export async function readOrEmpty (path: string): Promise<string> {
  return readFile(path, 'utf8').catch((error: unknown) => { if (isMissing(error)) return ''; throw error })
}

/**
 * A new signing key, announced by a statement that the old one signed too; whoever signs next uses it. Gives the new record. A
 * rotation that was cut off in between has changed nothing: the old key still signs.
 */
export async function rotateKey (folder: AuditFolder): Promise<KeyRecord> {
  const lock = join(folder.directory, 'rotating.lock')
  const held = await open(lock, 'wx', 0o600).catch((cause: unknown) => {
    throw new PulsegateError('AUDIT_FOLDER', `${lock} is there: another rotation is at work, or was cut off. If none runs: rm '${lock}'`, { cause })
  })
  try {
    const before = await readSigningKey(folder)
    const next = generateKeyPairSync('ed25519').privateKey
    const record = successorRecord(next, before, Date.now())
    await appendLines(folder.keys, `${JSON.stringify(record)}\n`)
    await writeWhole(folder.privateKey, next.export({ type: 'pkcs8', format: 'pem' }).toString(), { mode: 0o600, overwrite: true })
    await publish(folder, createPublicKey(next))
    return record
  } finally {
    await held.close()
    await unlink(lock).catch(() => {})
  }
}
