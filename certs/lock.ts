// One writer at a time on an authority's directory: the command line, the EST server and the upkeep of `up` may all be at it. Takes the
// directory and what is to be done, gives its result. The file `lock` is there while somebody works.
// Promise: the work of two never overlaps, within a process or between processes; a holder that died is noticed (at once
// on the same machine, else when its lock has not moved for a while), one that lives is never robbed.
import { randomBytes } from 'node:crypto'
import { readlinkSync } from 'node:fs'
import { open, readFile, stat, unlink, utimes } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join, resolve } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { PulsegateError } from '../runtime/errors.ts'
import { isMissing } from './files.ts'

export interface LockOptions {
  /** How long others may be at it before CERTS_BUSY. */
  readonly waitMs?: number
  /** A lock that has not moved for so long belongs to nobody; holders move theirs four times as often. */
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
  await acquire(path, waitMs, staleMs)
  const moving = setInterval(() => {
    const now = new Date()
    utimes(path, now, now).catch(() => {}) // gone: the end will show
  }, staleMs / 4).unref()
  try {
    return await work()
  } finally {
    clearInterval(moving)
    await unlink(path).catch(() => {})
  }
}

interface Seen { readonly text: string, readonly stamp: string, readonly sinceMs: number }

async function acquire (path: string, waitMs: number, staleMs: number): Promise<void> {
  const deadlineMs = performance.now() + waitMs
  let seen: Seen | null = null
  for (let pauseMs = 2; ; pauseMs = Math.min(pauseMs * 2, 100)) {
    if (await create(path)) return
    seen = await look(path, seen)
    if (seen !== null && (isDead(seen.text) || performance.now() - seen.sinceMs > staleMs)) {
      await removeStale(path, seen, staleMs)
      continue
    }
    if (performance.now() > deadlineMs) throw new PulsegateError('CERTS_BUSY', `${path} is held by ${seen === null ? 'others in turn' : holderOf(seen.text)}.`)
    await setTimeout(pauseMs * (0.5 + Math.random()))
  }
}

async function create (path: string): Promise<boolean> {
  try {
    const file = await open(path, 'wx', 0o600)
    try {
      await file.writeFile(JSON.stringify({ machine, pid: process.pid, id: randomBytes(8).toString('hex') }))
    } finally {
      await file.close()
    }
    return true
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return false
    throw error
  }
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
  if (!await create(guard)) {
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
  }
}

/** Process ids mean something only among those who share them. */
const machine = `${hostname()} ${pidSpace()}`

function pidSpace (): string {
  try {
    return readlinkSync('/proc/self/ns/pid')
  } catch {
    return process.platform
  }
}

function isDead (text: string): boolean {
  const holder = parse(text)
  if (holder === null || holder.machine !== machine) return false
  try {
    process.kill(holder.pid, 0)
    return false
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'ESRCH'
  }
}

function holderOf (text: string): string {
  const holder = parse(text)
  return holder === null ? 'an unknown process' : `process ${holder.pid} on ${holder.machine.split(' ')[0] ?? ''}`
}

/** Null for a lock that is being written just now, or was left empty by a crash. */
function parse (text: string): { readonly machine: string, readonly pid: number } | null {
  try {
    const { machine, pid } = JSON.parse(text) as { machine?: unknown, pid?: unknown }
    return typeof machine === 'string' && typeof pid === 'number' ? { machine, pid } : null
  } catch {
    return null
  }
}
