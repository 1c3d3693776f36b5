// One run of a program as our child: in a process group of its own (Ctrl-C reaches the proof, which then stops its parts in
// order), its output appended to a file, and dead when we are, however we end: by `setpriv --pdeathsig` where there is one,
// and by a last kill when this process exits.
import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { open, readFile, stat } from 'node:fs/promises'
import { PulsegateError } from '../../runtime/errors.ts'
import { freezeTree, killTree, thawTree, treeResidentBytes } from './process-tree.ts'
import { type Part } from './part.ts'

/** How a process ended. */
export interface End { readonly code: number | null, readonly signal: NodeJS.Signals | null }

export interface Launch {
  readonly command: readonly string[]
  readonly env: Readonly<Record<string, string>>
  readonly logFile: string
}

export interface Child {
  readonly pid: number
  readonly running: boolean
  /** Resolves when the process has ended; never rejects. */
  readonly ended: Promise<End>
  /** `signal`, then SIGKILL to its whole tree when it has not ended after `withinMs`. One that is frozen is thawed for it. */
  stop (signal: NodeJS.Signals, withinMs: number): Promise<void>
  kill (): Promise<void>
  /** The last lines it wrote in this run. */
  said (lines: number): Promise<string>
}

const living = new Set<ChildProcess>()
process.on('exit', () => { for (const child of living) child.kill('SIGKILL') })

/** `child` is killed when this process exits, and not before. */
export function killAtExit (child: ChildProcess): void {
  living.add(child)
  child.once('exit', () => living.delete(child))
}

let prefix: readonly string[] | undefined

/** The words before a command that make the kernel kill it when this process dies. */
function dieWithUs (): readonly string[] {
  const words = ['setpriv', '--pdeathsig', 'KILL', '--']
  prefix ??= process.platform === 'linux' && spawnSync('setpriv', [...words.slice(1), 'true'], { stdio: 'ignore' }).status === 0 ? words : []
  return prefix
}

/** Starts it. Resolves when it has a process; throws PROOF_PART_FAILED when it cannot be run at all. */
export async function launch ({ command, env, logFile }: Launch): Promise<Child> {
  const log = await open(logFile, 'a', 0o600)
  const logFrom = (await stat(logFile)).size
  const [program = '', ...args] = [...dieWithUs(), ...command]
  const child = spawn(program, args, { cwd: '/', env, detached: true, stdio: ['ignore', log.fd, log.fd] })
  try {
    await once(child, 'spawn')
  } catch (cause) {
    throw new PulsegateError('PROOF_PART_FAILED', `${command[0]} cannot be run`, { cause })
  } finally {
    await log.close()
  }
  killAtExit(child)
  const pid = child.pid ?? 0
  const running = () => child.exitCode === null && child.signalCode === null
  const ended = (running() ? once(child, 'exit') : Promise.resolve())
    .then((): End => ({ code: child.exitCode, signal: child.signalCode }))
  const kill = async () => {
    if (running()) await killTree(pid)
    await ended
  }
  return {
    pid,
    get running () { return running() },
    ended,
    kill,
    stop: async (signal, withinMs) => {
      if (!running()) return
      child.kill(signal)
      await thawTree(pid)
      const late = setTimeout(() => { kill().catch(() => {}) }, withinMs)
      await ended
      clearTimeout(late)
    },
    said: async (lines) => lastLines((await readFile(logFile)).subarray(logFrom).toString('utf8'), lines)
  }
}

/** The last lines that are not empty. */
export function lastLines (text: string, count: number): string {
  return text.split('\n').filter((line) => line.trim() !== '').slice(-count).join('\n')
}

/** The verbs of a part that only need its process. `pid` is asked at each call; null: it does not run. */
export function treeVerbs (pid: () => number | null): Pick<Part, 'freeze' | 'thaw' | 'residentBytes'> {
  const onTree = <T>(verb: (root: number) => Promise<T>) => async () => {
    const root = pid()
    return root === null ? null : verb(root)
  }
  return {
    freeze: async () => { await onTree(freezeTree)() },
    thaw: async () => { await onTree(thawTree)() },
    residentBytes: onTree(treeResidentBytes)
  }
}

/** Waits until `answers` says yes. Throws PROOF_PART_FAILED when the process ends before, or `withinMs` is over: then it is killed. */
export async function waitForAnswer (name: string, child: Child, answers: () => Promise<boolean>, withinMs: number): Promise<void> {
  const deadline = performance.now() + withinMs
  while (child.running && performance.now() < deadline) {
    if (await answers()) return
    await Promise.race([child.ended, new Promise((resolve) => setTimeout(resolve, 20))])
  }
  const late = child.running
  await child.kill()
  const { code, signal } = await child.ended
  const how = late ? `did not answer within ${withinMs / 1_000} s` : `ended at once (${signal ?? `exit ${code}`})`
  throw new PulsegateError('PROOF_PART_FAILED', `${name} ${how}; the end of its log:\n${await child.said(8)}`)
}
