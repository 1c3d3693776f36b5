// All processes below one, read from /proc (else from ps): what a part's verbs reach. A PostgreSQL server puts each of its
// processes into a session of its own, so a process group would not hold them; the line of parents does.
import { execFile } from 'node:child_process'
import { readdir, readFile } from 'node:fs/promises'
import { promisify } from 'node:util'
import { sleep } from '../../runtime/retry.ts'

interface Found { readonly pid: number, readonly parent: number, readonly state: string }

/** Signals work within milliseconds; a process that waits for a dead disk may take longer. */
const obeyWithinMs = 10_000

/** `root` and all below it that live, parents before children. A process that has ended and was not yet reaped does not live. */
async function treeOf (root: number): Promise<Found[]> {
  const all = (await processes()).filter(({ state }) => state !== 'Z' && state !== 'X')
  const tree = all.filter(({ pid }) => pid === root)
  // grows while it is walked: children are appended behind their parents
  for (const { pid } of tree) tree.push(...all.filter(({ parent }) => parent === pid))
  return tree
}

async function processes (): Promise<Found[]> {
  const names = await readdir('/proc').catch(() => [])
  const found = await Promise.all(names.filter((name) => /^\d+$/.test(name)).map(readStat))
  return found.some((one) => one !== null) ? found.filter((one) => one !== null) : await askPs()
}

async function readStat (pid: string): Promise<Found | null> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => null)
  if (stat === null) return null
  // the command's name stands in parentheses and may hold spaces and parentheses itself
  const [state = '', parent = ''] = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return { pid: Number(pid), parent: Number(parent), state }
}

async function askPs (): Promise<Found[]> {
  const { stdout } = await promisify(execFile)('ps', ['-A', '-o', 'pid=,ppid=,state='], { maxBuffer: 10_000_000 })
  return stdout.split('\n').map((line) => line.trim().split(/\s+/)).filter((words) => words.length === 3)
    .map(([pid, parent, state]) => ({ pid: Number(pid), parent: Number(parent), state: state?.[0] ?? '' }))
}

/** SIGKILL to `root` and all below it; resolves when they are gone. */
export async function killTree (root: number): Promise<void> {
  // a parent that stands still makes no child that we would miss
  send(root, 'SIGSTOP')
  const pids = (await treeOf(root)).map(({ pid }) => pid)
  for (const pid of new Set([root, ...pids])) send(pid, 'SIGKILL')
  // its children have another parent now, so they are looked for by their numbers
  await until(async () => {
    const living = new Set((await processes()).filter(({ state }) => state !== 'Z' && state !== 'X').map(({ pid }) => pid))
    return !pids.some((pid) => living.has(pid))
  }, `process ${root} does not end`)
}

/** SIGSTOP to `root` and all below it; resolves when they stand still. */
export async function freezeTree (root: number): Promise<void> {
  await until(async () => {
    const moving = (await treeOf(root)).filter(({ state }) => state !== 'T' && state !== 't')
    for (const { pid } of moving) send(pid, 'SIGSTOP')
    return moving.length === 0
  }, `process ${root} does not stand still`)
}

/** Has `root` been stopped, by whomever? */
export async function standsStill (root: number): Promise<boolean> {
  return (await processes()).some(({ pid, state }) => pid === root && (state === 'T' || state === 't'))
}

/** SIGCONT to `root` and all below it. */
export async function thawTree (root: number): Promise<void> {
  for (const { pid } of await treeOf(root)) send(pid, 'SIGCONT')
}

/**
 * Resident memory of `root` and all below it; null without /proc. Memory that they share (PostgreSQL's buffers) counts
 * once: for it the largest part that one of them has touched is taken.
 */
export async function treeResidentBytes (root: number): Promise<number | null> {
  const texts = await Promise.all((await treeOf(root)).map(({ pid }) => readFile(`/proc/${pid}/status`, 'utf8').catch(() => '')))
  const field = (text: string, name: string) => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(text)?.[1] ?? 0) * 1_024
  const own = texts.reduce((sum, text) => sum + field(text, 'RssAnon') + field(text, 'RssFile'), 0)
  return own === 0 ? null : own + Math.max(...texts.map((text) => field(text, 'RssShmem')))
}

/** Sends a signal; one that has ended meanwhile needs none. */
function send (pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}

async function until (holds: () => Promise<boolean>, otherwise: string): Promise<void> {
  const deadline = performance.now() + obeyWithinMs
  while (!await holds()) {
    if (performance.now() > deadline) throw new Error(otherwise)
    await sleep(5)
  }
}
