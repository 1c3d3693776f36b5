// How long work tells how far it is: one rewritten line on a terminal, a plain line every few seconds elsewhere (both on standard error),
// JSON lines for a program. Takes counts, gives text; the clock and where it goes are the caller's.
import { count } from './view/format.ts'

export interface CountProgressOptions {
  /** Such as `sealed`. */
  readonly done: string
  /** Null: not known. */
  readonly total: number | null
  readonly json: boolean
  /** Standard output, for JSON lines. */
  readonly write: (text: string) => void
}

export class CountProgress {
  readonly #options: CountProgressOptions
  readonly #startedMs = performance.now()
  #toldMs = this.#startedMs
  #done = 0
  #width = 0

  constructor (options: CountProgressOptions) { this.#options = options }

  get done (): number { return this.#done }

  get seconds (): number { return (performance.now() - this.#startedMs) / 1_000 }

  add (more: number): void {
    this.#done += more
    const terminal = !this.#options.json && process.stderr.isTTY
    const nowMs = performance.now()
    if (nowMs - this.#toldMs < (terminal ? 100 : 5_000)) return
    this.#toldMs = nowMs
    const { done, total, json, write } = this.#options
    if (json) {
      write(`${JSON.stringify({ event: 'progress', done: this.#done, total })}\n`)
      return
    }
    const share = total === null || total === 0 ? '' : ` of ${count(total)} (${Math.floor(100 * this.#done / total)} %)`
    const line = `${done} ${count(this.#done)}${share}  ${count(Math.round(this.#done / Math.max(0.001, this.seconds)))}/s`
    process.stderr.write(terminal ? `\r${line.padEnd(this.#width)}` : `${line}\n`)
    this.#width = terminal ? line.length : 0
  }

  /** Takes the rewritten line away. */
  end (): void {
    if (this.#width > 0) process.stderr.write(`\r${' '.repeat(this.#width)}\r`)
    this.#width = 0
  }
}
