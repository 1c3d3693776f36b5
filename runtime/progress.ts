// Progress of long work for whoever watches: on a terminal one line that is rewritten, elsewhere (a file, a CI log) a plain
// line now and then. Writes to standard error, because standard output belongs to results. Nothing is drawn faster than
// an eye can follow, and the line is cleared when the work is done.

export interface ProgressStream {
  readonly isTTY?: boolean
  readonly columns?: number
  write (text: string): unknown
}

export interface ProgressOptions {
  /** Default standard error. */
  readonly stream?: ProgressStream
  /** Monotonic ms; default performance.now. */
  readonly clock?: () => number
}

/** Ten times a second on a terminal; every five seconds elsewhere, so that a log stays readable. */
const redrawEveryMs = 100
const lineEveryMs = 5_000

export class Progress {
  readonly #what: string
  readonly #stream: ProgressStream
  readonly #clock: () => number
  readonly #startedMs: number
  #shownMs = -Infinity
  #drawn = false

  /** `what` names the work, such as `replaying quarantine`. */
  constructor (what: string, { stream = process.stderr, clock = () => performance.now() }: ProgressOptions = {}) {
    this.#what = what
    this.#stream = stream
    this.#clock = clock
    this.#startedMs = clock()
  }

  /** Shows that `done` units are finished, of `total` when that is known. Cheap: most calls draw nothing. */
  update (done: number, total?: number): void {
    const nowMs = this.#clock()
    if (nowMs - this.#shownMs < (this.#stream.isTTY ? redrawEveryMs : lineEveryMs)) return
    this.#shownMs = nowMs
    this.#show(progressLine(this.#what, { done, total, elapsedMs: nowMs - this.#startedMs }))
  }

  /** Ends with a last line, such as `replayed 120 messages`. */
  finish (result: string): void {
    this.#clear()
    this.#stream.write(`${result}\n`)
  }

  #show (line: string): void {
    if (!this.#stream.isTTY) { this.#stream.write(`${line}\n`); return }
    this.#clear()
    // a line that wraps could not be cleared again
    this.#stream.write(line.slice(0, Math.max(10, (this.#stream.columns ?? 80) - 1)))
    this.#drawn = true
  }

  #clear (): void {
    if (this.#drawn) this.#stream.write('\r\u001b[K')
    this.#drawn = false
  }
}

/** `replaying quarantine: 120 of 400, 30 %, about 12 s left` */
export function progressLine (what: string, { done, total, elapsedMs }: { done: number, total?: number | undefined, elapsedMs: number }): string {
  if (total === undefined || total <= 0) return `${what}: ${done}`
  const share = Math.min(1, done / total)
  // an estimate from the first instants would jump about
  const leftSeconds = share > 0 && elapsedMs > 1_000 ? Math.round(elapsedMs * (1 / share - 1) / 1_000) : null
  return `${what}: ${done} of ${total}, ${Math.floor(share * 100)} %${leftSeconds === null ? '' : `, about ${leftSeconds} s left`}`
}
