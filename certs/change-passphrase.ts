// Puts an authority's keys under another passphrase, or under none: takes the old one and the new one. One file at a time, each whole; a key
// that is under the new one already is left as it is, so a change that was cut off is finished by doing it again.
import { createPrivateKey, type KeyObject } from 'node:crypto'
import { PulsegateError } from '../runtime/errors.ts'
import { isEncryptedKey } from './encrypted-key.ts'
import { isThere, keyPem, readKey, readKeyText, writeKey, type AuthorityPaths } from './files.ts'
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
    const files = await keyFiles(paths, change.server)
    const opened: Array<{ file: string, key: KeyObject, done: boolean }> = []
    // all are opened before one is written
    for (const file of files) opened.push({ file, ...await open(file, change) })
    const todo = opened.filter(({ done }) => !done)
    for (const { file, key } of todo) await writeKey(file, keyPem(key, change.to), { overwrite: true })
    return todo.map(({ file }) => file)
  })
}

async function keyFiles (paths: AuthorityPaths, server: boolean): Promise<string[]> {
  const layout = await readLayout(paths)
  const cas = layout.cas.filter(({ state }) => state !== 'withdrawn')
  const files = new Set([...cas.map(({ root }) => rootFiles(paths, layout, root).key), ...cas.map(({ number }) => issuingFiles(paths, layout, number).key)])
  const there: string[] = []
  for (const file of files) if (await isThere(file)) there.push(file)
  if (await isThere(paths.serverKey) && (server || isEncryptedKey(await readKeyText(paths.serverKey)))) there.push(paths.serverKey)
  return there
}

async function open (file: string, { from, to }: PassphraseChange): Promise<{ key: KeyObject, done: boolean }> {
  const pem = await readKeyText(file)
  if (!isEncryptedKey(pem)) return { key: await readKey(file), done: to === undefined }
  if (to !== undefined) {
    const key = tried(pem, to)
    if (key !== null) return { key, done: true }
  }
  const key = from === undefined ? null : tried(pem, from)
  if (key !== null) return { key, done: false }
  throw new PulsegateError('CERTS_PASSPHRASE_UNUSABLE', from === undefined ? `${file} is encrypted, and no passphrase file is named.` : `The passphrase does not open ${file}.`)
}

function tried (key: string, passphrase: string): KeyObject | null {
  try {
    return createPrivateKey({ key, passphrase })
  } catch {
    return null
  }
}
