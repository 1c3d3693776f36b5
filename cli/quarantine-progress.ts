// How a replay tells how far it is: one rewritten line on a terminal, a plain line every few seconds elsewhere, JSON lines for a
// program. Takes tallies, gives text; the clock and where it goes are the caller's. Nothing of a message is in it but its number.
import { type ReasonCount } from '../ingest/quarantine.ts'
import { type ReplayPage } from '../ingest/quarantine-replay.ts'
import { count } from './view/format.ts'

export type ProgressMode = 'terminal' | 'plain' | 'json'

export interface ProgressOptions {
  readonly mode: ProgressMode
  readonly write: (text: string) => void
  /** Monotonic ms. */
  readonly clock?: () => number
}

// a terminal is looked at, a log is kept
const everyMs = { terminal: 100, plain: 5_000, json: 5_000 } as const

/** What a replay has done so far. */
export class Tally {
  done = 0
  stored = 0
  duplicate = 0
  quarantined = 0
  /** Number of the last message done; null before the first. */
  lastId: number | null = null
  readonly #reasons = new Map<string, number>()

  add ({ results, lastId }: ReplayPage): void {
    for (const { outcome, reason } of results) {
      this.done++
      this[outcome]++
      if (reason !== null) this.#reasons.set(reason, (this.#reasons.get(reason) ?? 0) + 1)
    }
    this.lastId = lastId
  }

  /** Of what stays in quarantine, most first. */
  get reasons (): ReasonCount[] {
    return [...this.#reasons].map(([reason, messages]) => ({ reason, messages })).sort((a, b) => b.messages - a.messages || (a.reason < b.reason ? -1 : 1))
  }
}

export class Progress {
  readonly tally = new Tally()
  readonly #options: ProgressOptions
  readonly #clock: () => number
  readonly #total: number | null
  readonly #startedMs: number
  #toldMs: number
  #width = 0

  constructor (total: number | null, options: ProgressOptions) {
    this.#total = total
    this.#options = options
    this.#clock = options.clock ?? (() => performance.now())
    this.#startedMs = this.#clock()
    // a short replay is over before anything need be said
    this.#toldMs = options.mode === 'terminal' ? -Infinity : this.#startedMs
  }

  /** Counts a page, and says so when it is time. */
  page (page: ReplayPage): void {
    this.tally.add(page)
    const nowMs = this.#clock()
    if (nowMs - this.#toldMs < everyMs[this.#options.mode]) return
    this.#toldMs = nowMs
    const { mode, write } = this.#options
    if (mode === 'json') write(`${JSON.stringify({ event: 'progress', ...this.numbers() })}\n`)
    else if (mode === 'plain') write(`${this.#line()}\n`)
    else this.#rewrite(this.#line())
  }

  /** Something a person should know now, such as that the database is away. A program's lines are left alone. */
  note (text: string): void {
    if (this.#options.mode === 'json') return
    this.end()
    this.#options.write(`${text}\n`)
  }

  /** Takes the rewritten line away. */
  end (): void {
    if (this.#width > 0) this.#options.write(`\r${' '.repeat(this.#width)}\r`)
    this.#width = 0
  }

  get seconds (): number { return (this.#clock() - this.#startedMs) / 1_000 }

  numbers (): Record<string, number | null> {
    const { done, stored, duplicate, quarantined, lastId } = this.tally
    return { total: this.#total, done, stored, duplicate, quarantined, perSecond: this.#perSecond(), lastId }
  }

  #perSecond (): number { return Math.round(this.tally.done / Math.max(0.001, this.seconds)) }

  #line (): string {
    const { done, stored, duplicate, quarantined } = this.tally
    const share = this.#total === null || this.#total === 0 ? '' : ` (${Math.floor(100 * done / this.#total)} %)`
    const of = this.#total === null ? '' : ` of ${count(this.#total)}${share}`
    return `${count(done)}${of}  stored ${count(stored)}  duplicate ${count(duplicate)}  still quarantined ${count(quarantined)}  ${count(this.#perSecond())}/s`
  }

  #rewrite (line: string): void {
    this.#options.write(`\r${line.padEnd(this.#width)}`)
    this.#width = line.length
  }
}
