// A small disk of the proof's own, to be filled without harm to anybody else: memory mounted as a file system (tmpfs), which only
// root may do. On it fsync costs nothing and promises nothing, which does not matter here: a full disk is what is shown.
import { execFile, spawnSync } from 'node:child_process'
import { mkdir, open, rm, statfs } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { PulsegateError } from '../../runtime/errors.ts'

export interface SmallDisk {
  readonly directory: string
  /** Writes a file until no more than `leaveBytes` (default 0) are free. */
  fill (leaveBytes?: number): Promise<void>
  /** Removes that file. */
  free (): Promise<void>
  /** Takes the disk away, and what is on it. */
  close (): Promise<void>
}

const run = promisify(execFile)
const commandTimeoutMs = 10_000
const chunk = Buffer.alloc(1_048_576)

/** Why this machine gives us no small disk; null: it does. Mounts one and takes it away again. */
export async function whyNoSmallDisk (directory: string): Promise<string | null> {
  if (process.platform !== 'linux') return 'only Linux has tmpfs'
  if (process.getuid?.() !== 0) return 'only root may mount a file system'
  try {
    await (await mount(directory, 1)).close()
    return null
  } catch (error) {
    return `mount refused: ${(error as Error).message.trim()}`
  }
}

/** Mounts a disk of `megabytes` on `directory` (made when absent). Throws PROOF_PART_FAILED where that cannot be. */
export async function smallDisk ({ directory, megabytes }: { directory: string, megabytes: number }): Promise<SmallDisk> {
  try {
    return await mount(directory, megabytes)
  } catch (cause) {
    throw new PulsegateError('PROOF_PART_FAILED', `no disk of ${megabytes} MB could be mounted on ${directory} (root on Linux may)`, { cause })
  }
}

async function mount (named: string, megabytes: number): Promise<SmallDisk> {
  const directory = resolve(named)
  await mkdir(directory, { recursive: true, mode: 0o755 })
  await run('mount', ['-t', 'tmpfs', '-o', `size=${megabytes}m,mode=0755,nodev,nosuid`, 'pulsegate-proof', directory], { timeout: commandTimeoutMs })
  const ballast = join(directory, 'ballast')
  let mounted = true
  // whoever still has a file open there keeps it; the place itself is free at once
  const unmountNow = () => { spawnSync('umount', ['--lazy', directory], { timeout: commandTimeoutMs }) }
  process.once('exit', unmountNow)
  return {
    directory,
    fill: (leaveBytes = 0) => fill(ballast, leaveBytes),
    free: () => rm(ballast, { force: true }),
    close: async () => {
      if (!mounted) return
      await run('umount', [directory], { timeout: commandTimeoutMs })
        .catch(() => run('umount', ['--lazy', directory], { timeout: commandTimeoutMs }))
      mounted = false
      process.off('exit', unmountNow)
    }
  }
}

/** Appends until the disk is full, or has only `leaveBytes` left. */
async function fill (path: string, leaveBytes: number): Promise<void> {
  const file = await open(path, 'a')
  try {
    for (;;) {
      const { bavail, bsize } = await statfs(path)
      const wanted = Math.min(chunk.length, bavail * bsize - leaveBytes)
      if (wanted <= 0) return
      await file.write(chunk, 0, wanted)
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error
  } finally {
    await file.close()
  }
}
