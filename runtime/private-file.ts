// Files written so that a power cut leaves them whole, and folders that remember it (who may read them: owner-only.ts).
import { randomBytes } from 'node:crypto'
import { link, open, rename, unlink } from 'node:fs/promises'
import { dirname } from 'node:path'

/**
 * Writes a file that is either the old one or the whole new one, also after a power cut (temporary file, fsync, rename), once its
 * folder has been synced (`syncFolder`). `overwrite: false` fails with EEXIST instead of replacing what is there.
 */
export async function replaceFile (path: string, text: string, options: { readonly mode: number, readonly overwrite: boolean }): Promise<void> {
  const temporary = `${path}.${randomBytes(6).toString('hex')}.tmp`
  try {
    const file = await open(temporary, 'wx', options.mode)
    try {
      await file.writeFile(text)
      await file.sync()
    } finally {
      await file.close()
    }
    if (options.overwrite) await rename(temporary, path)
    else await link(temporary, path) // unlike rename, fails when `path` is there
  } finally {
    await unlink(temporary).catch(() => {}) // gone already after a rename
  }
}

/** The same, and its folder synced. */
export async function writeWhole (path: string, text: string, options: { readonly mode: number, readonly overwrite: boolean }): Promise<void> {
  await replaceFile(path, text, options)
  await syncFolder(dirname(path))
}

/** Makes what was renamed into a folder survive a power cut. */
export async function syncFolder (path: string): Promise<void> {
  const folder = await open(path, 'r')
  try {
    await folder.sync()
  } finally {
    await folder.close()
  }
}

/** Appends whole lines (each with its newline) in one write, fsynced; behind a line that a power cut tore they begin a new one. */
export async function appendLines (path: string, text: string): Promise<void> {
  const file = await open(path, 'a+', 0o600)
  try {
    const { size } = await file.stat()
    const { buffer } = await file.read(Buffer.alloc(1), 0, 1, Math.max(0, size - 1))
    await file.appendFile(size > 0 && buffer[0] !== 0x0a ? `\n${text}` : text)
    await file.sync()
  } finally {
    await file.close()
  }
}

export function isMissing (error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT'
}
