// Puts an authority's keys under another passphrase, or under none: takes the old one and the new one. One file at a time, each whole; a key
// that is under the new one already is left as it is, so a change that was cut off is finished by doing it again. A key in no use, which a
// step of rotation.ts left when it was cut off, is changed with the others: no key that could sign stays plain beside encrypted ones.
import { createPrivateKey, type KeyObject } from 'node:crypto'
import { readdir } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { PulsegateError } from '../runtime/errors.ts'
import { isEncryptedKey } from './encrypted-key.ts'
import { isMissing, isThere, keyPem, readKey, readKeyText, writeKey, type AuthorityPaths } from './files.ts'
import { issuingFiles, readLayout, rootFiles } from './layout.ts'
import { withLock } from './lock.ts'

export interface PassphraseChange {
  /** What encrypted keys are under now. */
  readonly from: string | undefined
  /** Undefined: take the encryption away. */
  readonly to: string | undefined
  /** The server key too, also when it is plain: every broker then needs the passphrase file. */
  readonly server: boolean
}

/** Gives the files that were written. Root keys that are kept elsewhere stay as they are. Rejects with CERTS_PASSPHRASE_UNUSABLE. */
export async function changePassphrase (paths: AuthorityPaths, change: PassphraseChange): Promise<string[]> {
  return await withLock(paths.directory, async () => {
    const opened: Array<{ file: string, key: KeyObject, done: boolean }> = []
    // all are opened before one is written
    for (const { file, used } of await keyFiles(paths, change.server)) {
      const key = await open(file, change)
      if (key !== null) opened.push({ file, ...key })
      else if (used) throw new PulsegateError('CERTS_PASSPHRASE_UNUSABLE', change.from === undefined ? `${file} is encrypted, and no passphrase file is named.` : `The passphrase does not open ${file}.`)
    }
    const todo = opened.filter(({ done }) => !done)
    for (const { file, key } of todo) await writeKey(file, keyPem(key, change.to), { overwrite: true })
    return todo.map(({ file }) => file)
  })
}

interface KeyFile {
  readonly file: string
  /** False for one that a step left when it was cut off. */
  readonly used: boolean
}

async function keyFiles (paths: AuthorityPaths, server: boolean): Promise<KeyFile[]> {
  const layout = await readLayout(paths)
  const cas = layout.cas.filter(({ state }) => state !== 'withdrawn')
  const used = new Set([...cas.map(({ root }) => rootFiles(paths, layout, root).key), ...cas.map(({ number }) => issuingFiles(paths, layout, number).key)])
  const [roots, issuing] = [await keysIn(dirname(paths.rootKey), /^root(-\d+)?\.key$/), await keysIn(paths.directory, /^issuing(-\d+)?\.key$/)]
  const files = [...roots, ...issuing].map((file) => ({ file, used: used.has(file) }))
  const withServer = await isThere(paths.serverKey) && (server || isEncryptedKey(await readKeyText(paths.serverKey)))
  return withServer ? [...files, { file: paths.serverKey, used: true }] : files
}

async function keysIn (directory: string, named: RegExp): Promise<string[]> {
  const names = await readdir(directory).catch((error: unknown): string[] => {
    if (isMissing(error)) return []
    throw error
  })
  return names.filter((name) => named.test(name)).sort().map((name) => join(directory, name))
}

/** Null when neither passphrase opens it. */
async function open (file: string, { from, to }: PassphraseChange): Promise<{ key: KeyObject, done: boolean } | null> {
  const pem = await readKeyText(file)
  if (!isEncryptedKey(pem)) return { key: await readKey(file), done: to === undefined }
  const now = to === undefined ? null : tried(pem, to)
  if (now !== null) return { key: now, done: true }
  const before = from === undefined ? null : tried(pem, from)
  return before === null ? null : { key: before, done: false }
}

function tried (key: string, passphrase: string): KeyObject | null {
  try {
    return createPrivateKey({ key, passphrase })
  } catch {
    return null
  }
}
