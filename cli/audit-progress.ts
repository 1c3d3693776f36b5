// How far the reading of a long trail is: one rewritten line on a terminal, a plain line every few seconds elsewhere; on standard error.
import { count } from './view/format.ts'

export interface TrailProgress {
  readonly show: (done: number, total: number) => void
  /** Takes the rewritten line away. */
  readonly end: () => void
}

export function trailProgress (verb: string, { terminal = process.stderr.isTTY, write = (text: string) => { process.stderr.write(text) }, clock = () => performance.now() } = {}): TrailProgress {
  const everyMs = terminal ? 100 : 5_000
  let toldMs = clock()
  let width = 0
  return {
    show (done, total) {
      if (clock() - toldMs < everyMs) return
      toldMs = clock()
      const line = `${verb}: ${count(done)} of ${count(total)} rows (${total === 0 ? 100 : Math.floor(100 * done / total)} %)`
      write(terminal ? `\r${line.padEnd(width)}` : `${line}\n`)
      width = line.length
    },
    end () { if (terminal && width > 0) write(`\r${' '.repeat(width)}\r`) }
  }
}
