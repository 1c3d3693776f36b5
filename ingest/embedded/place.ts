// Where things lie. Normally everything is in the folder the caller named: `data/` (the cluster), `password`, `port`,
// `server.log`, `lock`. When the server's account cannot get there (root in a clone below /root, mode 0700), the cluster
// and a copy of the programs go to a folder it can reach, and the file `location` in the named folder says where, so that
// the next start, and a person, find them.
import { createHash } from 'node:crypto'
import { lstat, mkdir, readFile, realpath, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PulsegateError } from '../../runtime/errors.ts'
import { type Logger } from '../../runtime/observability.ts'
import { canEnter, canRun, type Account } from './account.ts'
import { copyBinaries, makeLinks, type Binaries } from './binaries.ts'

export interface Place {
  /** The folder the caller named, absolute. Ours: 0755 or stricter. */
  readonly directory: string
  /** The cluster: owned by the server's account, 0700. */
  readonly data: string
  readonly binaries: Binaries
}

/** Finds or makes a place that works for `account`. Throws EMBEDDED_FOLDER. */
export async function preparePlace (named: string, found: Binaries, account: Account, log: Logger): Promise<Place> {
  const directory = await makeFolder(named)
  const elsewhere = await readFile(join(directory, 'location'), 'utf8').then((text) => text.trim(), () => null)
  const home = elsewhere ?? (canEnter(account, directory) ? directory : await otherHome(directory, account))
  const data = join(home, 'data')
  await assertOwner(data, account)
  if (home !== directory) {
    await writeFile(join(directory, 'location'), home + '\n')
    log.warn({ directory, data }, 'the database is kept elsewhere: the account PostgreSQL runs as cannot reach the named folder')
  }
  return { directory, data, binaries: await reachable(found, home, account, log) }
}

async function makeFolder (path: string): Promise<string> {
  try {
    await mkdir(path, { recursive: true, mode: 0o755 })
    return await realpath(path)
  } catch (cause) {
    throw new PulsegateError('EMBEDDED_FOLDER', `cannot make the database folder ${path} (${(cause as NodeJS.ErrnoException).code})`, { cause })
  }
}

/** A folder for the cluster of `directory` that `account` can enter: below /var/lib, else (gone after a reboot) below the temporary folder. */
async function otherHome (directory: string, account: Account): Promise<string> {
  const name = createHash('sha256').update(directory).digest('hex').slice(0, 12)
  for (const parent of ['/var/lib/pulsegate', join(tmpdir(), `pulsegate-${process.getuid?.() ?? 0}`)]) {
    try {
      await mkdir(parent, { recursive: true, mode: 0o755 })
      await assertOurs(parent)
      const home = join(parent, name)
      await mkdir(home, { recursive: true, mode: 0o755 })
      await assertOurs(home)
      if (canEnter(account, home)) return home
    } catch {
      // try the next one
    }
  }
  throw new PulsegateError('EMBEDDED_FOLDER', `the account PostgreSQL runs as cannot reach ${directory}, and no other folder could be made for it`)
}

/** A folder in a shared place is only used when it is a real folder of this process's user: nobody planted it. */
async function assertOurs (path: string): Promise<void> {
  const stats = await lstat(path)
  if (!stats.isDirectory() || stats.uid !== process.getuid?.()) throw new PulsegateError('EMBEDDED_FOLDER', `${path} belongs to another user`)
}

/** A cluster of another account is not touched: PostgreSQL would refuse it, and changing its owner would take it from somebody. */
async function assertOwner (data: string, account: Account): Promise<void> {
  const stats = await lstat(data).catch(() => null) // absent: initdb makes it
  const wanted = account?.uid ?? process.getuid?.()
  if (stats && wanted !== undefined && stats.uid !== wanted) {
    throw new PulsegateError('EMBEDDED_FOLDER', `the database in ${data} belongs to uid ${stats.uid}, but PostgreSQL would run as uid ${wanted}: start as the user who made it`)
  }
}

/** Programs that `account` can run, links made: as they are when possible, else copied once. */
async function reachable (found: Binaries, home: string, account: Account, log: Logger): Promise<Binaries> {
  if (found.copyable === null) return found
  const linked = await makeLinks(found.copyable)
  if (linked && canRun(account, join(found.bin, 'postgres'))) return found
  const folder = join(home, 'programs')
  log.info({ from: found.copyable, to: folder }, 'copying the PostgreSQL programs (60 MB, once)')
  return copyBinaries(found, folder)
}
