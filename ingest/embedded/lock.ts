// One Pulsegate per database folder. The lock is a file that names its holder by host, pid and the start of that process
// (a pid alone may have been given to another program since). It is made by link(2), which fails when it exists; a lock whose
// holder is gone is moved aside, looked at again, and only then thrown away, so that two starters cannot both win.
import { execFile } from 'node:child_process'
import { link, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { PulsegateError } from '../../runtime/errors.ts'

interface Holder { readonly host: string, readonly pid: number, readonly started: string }

/** Takes the lock of `directory`; returns its release. Throws EMBEDDED_IN_USE when a live process holds it. */
export async function takeLock (directory: string): Promise<() => Promise<void>> {
  const path = join(directory, 'lock')
  const mine: Holder = { host: hostname(), pid: process.pid, started: await processStart(process.pid) ?? '' }
  const own = `${path}.${process.pid}`
  const text = JSON.stringify(mine)
  await writeFile(own, text, { mode: 0o644 })
  try {
    // a few rounds: each ends with the lock ours, held by the living, or one stale lock less
    for (let round = 0; round < 5; round++) {
      if (await linked(own, path)) return async () => { await rm(path, { force: true }) }
      await dropStale(path, directory)
    }
  } finally {
    await rm(own, { force: true })
  }
  throw new PulsegateError('EMBEDDED_IN_USE', `the lock of ${directory} changes hands all the time; try again`)
}

async function linked (own: string, path: string): Promise<boolean> {
  try {
    await link(own, path)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw new PulsegateError('EMBEDDED_FOLDER', `cannot write in ${path} (${(error as NodeJS.ErrnoException).code})`, { cause: error })
  }
}

async function dropStale (path: string, directory: string): Promise<void> {
  const seen = await readFile(path, 'utf8').catch(() => null)
  if (seen === null) return // released meanwhile
  const holder = parse(seen)
  if (holder && await isAlive(holder)) {
    throw new PulsegateError('EMBEDDED_IN_USE', `the database in ${directory} is used by another Pulsegate (process ${holder.pid})`)
  }
  const aside = `${path}.stale.${process.pid}`
  try {
    await rename(path, aside)
  } catch {
    return // another starter was quicker
  }
  // what was moved may be a lock taken since we looked: give it back
  if (await readFile(aside, 'utf8') !== seen) await link(aside, path).catch(() => {})
  await rm(aside, { force: true })
}

function parse (text: string): Holder | null {
  try {
    const { host, pid, started } = JSON.parse(text) as Partial<Holder>
    return typeof host === 'string' && typeof pid === 'number' && typeof started === 'string' ? { host, pid, started } : null
  } catch {
    return null // a torn write of a machine that lost power
  }
}

async function isAlive ({ host, pid, started }: Holder): Promise<boolean> {
  // another host (a container's name changes at each start): PostgreSQL's own postmaster.pid has the last word
  return host === hostname() && await processStart(pid) === started
}

/** A text that differs for every process that ever had this pid; null when there is no such process. */
async function processStart (pid: number): Promise<string | null> {
  try {
    // Linux: field 22 is the start in clock ticks since boot; the name in field 2 may contain spaces and parentheses
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8')
    const boot = await readFile('/proc/sys/kernel/random/boot_id', 'utf8')
    return `${boot.trim()} ${stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]}`
  } catch {
    if (process.platform === 'linux') return null
  }
  try {
    const { stdout } = await promisify(execFile)('ps', ['-o', 'lstart=', '-p', String(pid)], { env: { ...process.env, LC_ALL: 'C' } })
    return stdout.trim() || null
  } catch {
    return null
  }
}
