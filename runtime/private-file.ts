// Files that only their owner may read: written whole or not at all, and not used when somebody else could have read or replaced them.
import { randomBytes } from 'node:crypto'
import { link, open, rename, unlink } from 'node:fs/promises'
import { dirname } from 'node:path'

/**
 * Writes a file that is either the old one or the whole new one, also after a power cut (temporary file, fsync, rename, fsync of the
 * folder). `overwrite: false` fails with EEXIST instead of replacing what is there.
 */
export async function writeWhole (path: string, text: string, options: { readonly mode: number, readonly overwrite: boolean }): Promise<void> {
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
    await syncFolder(dirname(path))
  } finally {
    await unlink(temporary).catch(() => {}) // gone already after a rename
  }
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

/**
 * What is wrong with a private file's owner and mode, with the remedy; null when nothing is. The rule is PostgreSQL's: ours and private
 * (0600), or root's and readable by one group at most (0640), as a secret mounted for a service is. `us` is undefined where there are
 * no user ids (Windows).
 */
export function privacyFault (file: { readonly path: string, readonly mode: number, readonly owner: number, readonly us: number | undefined }): string | null {
  const { path, mode, owner, us } = file
  if (us === undefined) return null
  if (owner !== us && owner !== 0) return `${path} belongs to user ${owner}, who can replace it; we run as user ${us}. Run: chown ${us} '${path}'`
  const allowed = owner === us ? 0o600 : 0o640
  if ((mode & 0o777 & ~(allowed | 0o100)) === 0) return null
  return `${path} has mode ${octal(mode)}, so others can read or write it. Run: chmod ${octal(allowed)} '${path}'`
}

function octal (mode: number): string {
  return (mode & 0o777).toString(8).padStart(4, '0')
}

export function isMissing (error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT'
}
