// Calls when one of some files changes. By looking: a folder watch would miss files that are renamed into place on some file systems.
import { unwatchFile, watchFile } from 'node:fs'

/** A stat of a few files. A revocation is to be known within a second: this, and reading the lists, must fit in. */
const lookEveryMs = 400

/** Starts; gives what ends it. */
export function watchFiles (files: readonly string[], changed: () => void): () => void {
  for (const file of files) watchFile(file, { interval: lookEveryMs, persistent: false }, changed)
  return () => { for (const file of files) unwatchFile(file, changed) }
}
