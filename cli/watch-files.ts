// Calls when one of some files changes, or one of a folder's. By looking: a folder watch would miss files that are renamed into place on some file systems.
import { unwatchFile, watchFile } from 'node:fs'
import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'

/** A stat of a few files. A revocation is to be known within a second: this, and reading the lists, must fit in. */
const lookEveryMs = 400

/** Starts; gives what ends it. */
export function watchFiles (files: readonly string[], changed: () => void): () => void {
  for (const file of files) watchFile(file, { interval: lookEveryMs, persistent: false }, changed)
  return () => { for (const file of files) unwatchFile(file, changed) }
}

/** The same for whatever files are in `folder`, those that come later too. The folder need not be there. */
export function watchFolder (folder: string, changed: () => void): () => void {
  let last = stampOf(folder)
  const timer = setInterval(() => {
    const before = last
    last = stampOf(folder)
    Promise.all([before, last]).then(([then, now]) => { if (then !== now) changed() }, () => {}) // never rejects
  }, lookEveryMs).unref()
  return () => { clearInterval(timer) }
}

/** Another text when any file has come, gone or changed; what cannot be looked at is as good as not there. */
async function stampOf (folder: string): Promise<string> {
  const names = await readdir(folder).catch((): string[] => [])
  const stamps = await Promise.all(names.sort().map(async (name) => {
    const { ino, size, mtimeMs } = await stat(join(folder, name)).catch(() => ({ ino: 0, size: 0, mtimeMs: 0 }))
    return `${name} ${ino} ${size} ${mtimeMs}`
  }))
  return stamps.join('\n')
}
