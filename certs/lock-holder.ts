// Who holds a lock, as its file says: makes the text of our own, and tells of another's whether that process lives. A process is known
// by its number and the moment it was started, so that a number given to another process since does not count as alive. Of this process we
// know more, what it holds: a lock of ours that we do not hold was left behind, and counts as a dead process's.
import { randomBytes } from 'node:crypto'
import { readFileSync, readlinkSync } from 'node:fs'
import { hostname } from 'node:os'

interface Holder { readonly machine: string, readonly pid: number, readonly started: string | null, readonly keeper: string | null }

/** Who keeps the set below: not the process, which may have threads, each with a set of its own. */
const keeper = randomBytes(8).toString('hex')

/** Texts of the locks that are held here now. */
const held = new Set<string>()

/** What a lock file of ours says; another text each time. It counts as held from now on, until `heldNoMore`. */
export function holderText (): string {
  const text = JSON.stringify({ machine, pid: process.pid, started: processState(process.pid)?.started ?? null, keeper, id: randomBytes(8).toString('hex') })
  held.add(text)
  return text
}

/** From now on a file that says so belongs to nobody. */
export function heldNoMore (text: string): void {
  held.delete(text)
}

/** `unknown`: it is on another machine, or cannot be told from another process; only its lock's standing still tells then. */
export function holderState (text: string): 'alive' | 'dead' | 'unknown' {
  const holder = parse(text)
  if (holder === null || holder.machine !== machine) return 'unknown'
  if (holder.keeper === keeper) return held.has(text) ? 'alive' : 'dead'
  if (!isThere(holder.pid)) return 'dead'
  const now = processState(holder.pid)
  if (now === null || holder.started === null) return 'unknown'
  return now.started === holder.started && !now.ended ? 'alive' : 'dead'
}

/** For people. */
export function holderName (text: string): string {
  const holder = parse(text)
  return holder === null ? 'an unknown process' : `process ${holder.pid} on ${holder.machine.split(' ')[0] ?? ''}`
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

function isThere (pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return !(error instanceof Error && 'code' in error && error.code === 'ESRCH')
  }
}

/** Null where there is no /proc. `ended`: its parent has not taken notice yet. */
function processState (pid: number): { readonly started: string, readonly ended: boolean } | null {
  try {
    // proc(5): the name before it may hold anything, spaces and brackets too
    const fields = readFileSync(`/proc/${pid}/stat`, 'latin1').replace(/^.*\) /s, '').split(' ')
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim()
    return { started: `${boot} ${fields[19] ?? ''}`, ended: fields[0] === 'Z' || fields[0] === 'X' }
  } catch {
    return null
  }
}

/** Null for a lock that is being written just now, or was left empty by a crash. */
function parse (text: string): Holder | null {
  try {
    const { machine, pid, started, keeper } = JSON.parse(text) as { machine?: unknown, pid?: unknown, started?: unknown, keeper?: unknown }
    if (typeof machine !== 'string' || typeof pid !== 'number') return null
    return { machine, pid, started: typeof started === 'string' ? started : null, keeper: typeof keeper === 'string' ? keeper : null }
  } catch {
    return null
  }
}
