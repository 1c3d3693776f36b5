// One writer at a time on an authority's directory: the command line, the EST server and the upkeep of `up` may all be at it. Takes the
// directory and what is to be done, gives its result. The file `lock` is there while somebody works.
// Promise: the work of two never overlaps, within a process or between processes of one machine: a holder that died is noticed at once, one
// that lives is never robbed, however long it stands still. A lock is let go whatever the work came to, and without a file to open.
// Between machines that share the directory only a lock's standing still tells; who was robbed because it stood still itself (a suspended machine, say) leaves the other's lock alone and gets CERTS_BUSY.
import { open, readFile, stat, unlink, type FileHandle } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { PulsegateError } from '../runtime/errors.ts'
import { isMissing } from './files.ts'
import { heldNoMore, holderName, holderState, holderText } from './lock-holder.ts'

export interface LockOptions {
  /** How long others may be at it before CERTS_BUSY. */
  readonly waitMs?: number
  /** A lock of another machine that has not moved for so long belongs to nobody; holders move theirs four times as often. */
  readonly staleMs?: number
}

/** Work of this process, by directory: its own calls queue here instead of at the file. */
const queues = new Map<string, Promise<unknown>>()

export async function withLock<T> (directory: string, work: () => Promise<T>, options: LockOptions = {}): Promise<T> {
  const path = join(resolve(directory), 'lock')
  const mine = (queues.get(path) ?? Promise.resolve()).then(() => locked(path, work, options))
  const settled = mine.catch(() => {})
  queues.set(path, settled)
  try {
    return await mine
  } finally {
    if (queues.get(path) === settled) queues.delete(path)
  }
}

async function locked<T> (path: string, work: () => Promise<T>, { waitMs = 30_000, staleMs = 10_000 }: LockOptions): Promise<T> {
  const held = await acquire(path, waitMs, staleMs)
  const moving = setInterval(() => {
    const now = new Date()
    held.file.utimes(now, now).catch(() => {}) // the end will show
  }, staleMs / 4).unref()
  let result: T
  try {
    result = await work()
  } catch (error) {
    clearInterval(moving)
    await release(path, held).catch(() => {}) // what the work says comes first
    throw error
  }
  clearInterval(moving)
  await release(path, held)
  return result
}

interface Held { readonly file: FileHandle, readonly text: string, readonly inode: string }

interface Seen { readonly text: string, readonly stamp: string, readonly sinceMs: number }

async function acquire (path: string, waitMs: number, staleMs: number): Promise<Held> {
  const deadlineMs = performance.now() + waitMs
  let seen: Seen | null = null
  for (let pauseMs = 2; ; pauseMs = Math.min(pauseMs * 2, 100)) {
    const held = await create(path)
    if (held !== null) return held
    seen = await look(path, seen)
    if (seen !== null && isNobodys(seen, staleMs)) {
      await removeStale(path, seen, staleMs)
      continue
    }
    if (performance.now() > deadlineMs) throw new PulsegateError('CERTS_BUSY', `${path} is held by ${seen === null ? 'others in turn' : holderName(seen.text)}.`)
    await setTimeout(pauseMs * (0.5 + Math.random()))
  }
}

function isNobodys ({ text, sinceMs }: Seen, staleMs: number): boolean {
  const state = holderState(text)
  return state === 'dead' || (state === 'unknown' && performance.now() - sinceMs > staleMs)
}

/** Null when there is one already. */
async function create (path: string): Promise<Held | null> {
  let file: FileHandle
  try {
    file = await open(path, 'wx', 0o600)
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return null
    throw error
  }
  const text = holderText()
  try {
    await file.writeFile(text)
    return { file, text, inode: inodeOf(await file.stat({ bigint: true })) }
  } catch (error) {
    await unlink(path).catch(() => {}) // a full disk: nobody can have taken this over yet
    await forget({ file, text })
    throw error
  }
}

function inodeOf ({ dev, ino }: { readonly dev: bigint, readonly ino: bigint }): string {
  return `${dev} ${ino}`
}

/** Takes our lock away, and no other. Throws CERTS_BUSY when it is not ours any more. Opens no file: there may be none left to open. */
async function release (path: string, held: Held): Promise<void> {
  try {
    // while our file is open nobody else's can have its inode
    const there = await stat(path, { bigint: true }).catch(nullIfMissing)
    const now = there === null || inodeOf(there) === held.inode ? null : await readFile(path, 'utf8').catch(() => '')
    const ours = now === null ? there !== null : now === held.text // some file systems give a file a new number now and then
    if (!ours) throw new PulsegateError('CERTS_BUSY', `${path} was ${now === null ? 'taken away' : `taken over by ${holderName(now)}`} while we worked: look at what was done (pulsegate certs list), and write the lists anew (pulsegate certs crl).`)
    // what cannot be taken away names nobody at least: others take it once it is stale
    await unlink(path).catch(async () => { await held.file.truncate(0).catch(() => {}) })
  } finally {
    await forget(held)
  }
}

function nullIfMissing (error: unknown): null {
  if (isMissing(error)) return null
  throw error
}

async function forget ({ file, text }: Pick<Held, 'file' | 'text'>): Promise<void> {
  heldNoMore(text)
  await file.close().catch(() => {}) // nothing of it is needed any more
}

/** The lock as it is now, and since when (by our own clock: nobody else's counts) it has been so; null when there is none. */
async function look (path: string, before: Seen | null): Promise<Seen | null> {
  try {
    const [text, { ino, mtimeMs }] = [await readFile(path, 'utf8'), await stat(path)]
    const stamp = `${ino} ${mtimeMs}`
    return before !== null && before.text === text && before.stamp === stamp ? before : { text, stamp, sinceMs: performance.now() }
  } catch (error) {
    if (isMissing(error)) return null
    throw error
  }
}

/** Takes away the lock that was seen, and no other: of several who saw it one at a time looks again and does it. */
async function removeStale (path: string, seen: Seen, staleMs: number): Promise<void> {
  const guard = `${path}.stale`
  const held = await create(guard)
  if (held === null) {
    // held for microseconds, unless its holder died right then
    const { mtimeMs } = await stat(guard).catch(() => ({ mtimeMs: Date.now() }))
    if (Date.now() - mtimeMs > staleMs) await unlink(guard).catch(() => {})
    await setTimeout(5)
    return
  }
  try {
    const now = await look(path, seen)
    if (now === seen) await unlink(path)
  } finally {
    await unlink(guard).catch(() => {})
    await forget(held)
  }
}
