// The wall clock of the set-up's processes, in the hand of the proof: they are started with shift-clock.ts before their own main
// file, which adds to their Date what a file says. So a clock can jump under a process that runs, as it does when NTP corrects it.
import { rename, writeFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { sleep } from '../../runtime/retry.ts'

export interface Clock {
  /** Goes into the environment of each process. Not named PULSEGATE_…: the program refuses settings it does not know. */
  readonly env: Readonly<Record<string, string>>
  /** Goes into the arguments of Node. */
  readonly nodeArgs: readonly string[]
  /** From now on the clocks are `ms` ahead of the real time (behind, when negative); 0: right again. Resolves when all have read it. */
  shift (ms: number): Promise<void>
}

/** The processes look at most every 50 ms. */
const readWithinMs = 100

/** A clock that is right. Its file lies in `directory`, which is there. */
export async function openClock (directory: string): Promise<Clock> {
  const file = resolve(directory, 'clock-shift-ms')
  await put(file, 0)
  // always the compiled one: the processes are plain Node
  const preload = new URL('dist/proof/parts/shift-clock.js', import.meta.resolve('#package'))
  return {
    env: { PROOF_CLOCK_FILE: file },
    nodeArgs: ['--import', preload.href],
    shift: async (ms) => {
      if (!Number.isSafeInteger(ms)) throw new RangeError(`a clock is shifted by whole milliseconds, not ${ms}`)
      await put(file, ms)
      await sleep(readWithinMs)
    }
  }
}

/** Renamed into place, so that nobody reads half a number. */
async function put (file: string, ms: number): Promise<void> {
  const fresh = `${file}.new`
  await writeFile(fresh, `${ms}\n`)
  await rename(fresh, file)
}
