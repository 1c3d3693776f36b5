// A server whose Pulsegate is gone (kill -9 where there is no setpriv, a power cut with a pid since given to somebody else).
// Whoever holds the lock may end it: it is stopped, not taken over, because only a server that is our own child is watched,
// stopped with us, and runs with the settings of this version. Stopping is fast: at most what recovery would cost anyway.
import { execFile } from 'node:child_process'
import { readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { PulsegateError } from '../../runtime/errors.ts'
import { type Logger } from '../../runtime/observability.ts'
import { sleep } from '../../runtime/retry.ts'

/** Fast shutdown: rolls back what is open, writes a checkpoint. Immediate: as a crash, recovery at the next start. */
const steps = [
  { signal: 'SIGINT', withinMs: 20_000 },
  { signal: 'SIGQUIT', withinMs: 5_000 },
  { signal: 'SIGKILL', withinMs: 5_000 }
] as const

/** Stops a server that still runs on `data`, and removes a postmaster.pid that no server stands behind. */
export async function endOrphan (data: string, log: Logger, signal?: AbortSignal): Promise<void> {
  const file = join(data, 'postmaster.pid')
  const pid = Number.parseInt(await readFile(file, 'utf8').catch(() => ''), 10)
  if (!Number.isInteger(pid) || pid <= 1) return
  if (!await isServer(pid, data)) {
    // the pid is free or another program's: PostgreSQL would refuse to start in the second case
    await rm(file, { force: true })
    return
  }
  log.warn({ data, pid }, 'stopping a database server that a killed Pulsegate left running')
  await stopServer(pid, data, signal)
}

/** Stops the server `pid`, harder each time it does not end. Throws EMBEDDED_IN_USE when it is not ours to stop. */
async function stopServer (pid: number, data: string, signal?: AbortSignal): Promise<void> {
  for (const step of steps) {
    try {
      process.kill(pid, step.signal)
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code === 'ESRCH') return
      throw new PulsegateError('EMBEDDED_IN_USE', `a database server of another user (process ${pid}) runs on ${data}`, { cause })
    }
    const deadline = performance.now() + step.withinMs
    while (performance.now() < deadline) {
      if (!isRunning(pid)) return
      await sleep(50, signal)
    }
  }
  throw new PulsegateError('EMBEDDED_START_FAILED', `the database server ${pid} on ${data} does not end`)
}

function isRunning (pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

/** Is `pid` a PostgreSQL server on `data`, and not a program that was given the same pid later? */
async function isServer (pid: number, data: string): Promise<boolean> {
  if (!isRunning(pid)) return false
  try {
    const { stdout } = await promisify(execFile)('ps', ['-ww', '-o', 'command=', '-p', String(pid)], { maxBuffer: 1_000_000 })
    return stdout.includes('postgres') && stdout.includes(data)
  } catch {
    const command = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '') // a container without ps
    return command.includes('postgres') && command.includes(data)
  }
}
