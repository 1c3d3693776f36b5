// How a process ends. Whoever opens something pushes its release; `close` releases the other way round, each once.
//
// running ──stop()──▶ stopping (soft signal: drain, take no more) ──close()──▶ closing ──▶ closed
//    stop(), close() and hardStop() may come in any state, in any order, more than once.
//
// Promise: every release runs, even when one before it fails or hangs: after `graceMs` the hard signal aborts, and a
// release that ignores even that is left behind after `abandonAfterMs`.
import { setMaxListeners } from 'node:events'
import { type Logger } from './observability.ts'
import { sleep } from './retry.ts'

/** Releases one resource. `hard` aborts when there is no more time: give up what is unfinished and return. */
export type Release = (hard: AbortSignal) => Promise<void> | void

export interface LifecycleOptions {
  readonly log: Logger
  /** Time for all releases together before the hard signal. 25 s: below the 30 s Kubernetes grants before SIGKILL. */
  readonly graceMs?: number
  /** How long a release may ignore the hard signal before it is left behind. */
  readonly abandonAfterMs?: number
}

export class Lifecycle {
  readonly #log: Logger
  readonly #graceMs: number
  readonly #abandonAfterMs: number
  readonly #releases: Array<{ name: string, release: Release }> = []
  readonly #soft = new AbortController()
  readonly #hard = new AbortController()
  #closing: Promise<void> | undefined
  #closed = false

  constructor ({ log, graceMs = 25_000, abandonAfterMs = 3_000 }: LifecycleOptions) {
    this.#log = log
    setMaxListeners(0, this.#soft.signal, this.#hard.signal) // everything that waits for anything listens to them
    this.#graceMs = graceMs
    this.#abandonAfterMs = abandonAfterMs
  }

  /** Aborts when the process was asked to stop. Its `reason` is the text given to `stop`. */
  get stopping (): AbortSignal { return this.#soft.signal }

  /** Aborts when there is no more time. */
  get hard (): AbortSignal { return this.#hard.signal }

  /** Pushes a release. When all has been closed already, it runs at once: nothing opened late is left open. */
  onClose (name: string, release: Release): void {
    this.#releases.push({ name, release })
    if (this.#closed) this.#releaseAll().catch((err: unknown) => this.#log.error({ err, name }, 'late release failed'))
  }

  /** Asks the process to stop: aborts `stopping`. Does not release anything. */
  stop (reason: string): void {
    if (!this.#soft.signal.aborted) this.#soft.abort(reason)
  }

  /** Resolves when `stop` has been called. */
  async stopRequested (): Promise<void> {
    if (this.stopping.aborted) return
    await new Promise<void>((resolve) => this.stopping.addEventListener('abort', () => resolve(), { once: true }))
  }

  /** No more time: aborts both signals. */
  hardStop (reason: string): void {
    this.stop(reason)
    if (!this.#hard.signal.aborted) this.#hard.abort(new Error(reason))
  }

  /** Releases everything, last opened first, once. Rejects with an AggregateError after all have run when some failed. */
  close (): Promise<void> {
    this.stop('closing')
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close (): Promise<void> {
    const grace = setTimeout(() => this.hardStop('grace period over'), this.#graceMs)
    try {
      await this.#releaseAll()
    } finally {
      clearTimeout(grace)
      this.#closed = true
    }
  }

  async #releaseAll (): Promise<void> {
    const errors: unknown[] = []
    for (let next = this.#releases.pop(); next; next = this.#releases.pop()) {
      const { name, release } = next
      try {
        await this.#withinTime(name, async () => release(this.hard))
        this.#log.debug({ name }, 'released')
      } catch (err) {
        this.#log.error({ err, name }, 'release failed')
        errors.push(err)
      }
    }
    if (errors.length > 0) throw new AggregateError(errors, `${errors.length} of the resources were not released cleanly`)
  }

  /** Waits for `run`, but not for ever once the hard signal has aborted. */
  async #withinTime (name: string, run: () => Promise<void>): Promise<void> {
    const done = new AbortController()
    const abandoned = hardStopped(this.hard, done.signal).then(async () => {
      await sleep(this.#abandonAfterMs, done.signal)
      throw new Error(`${name} did not stop in time and was left behind`)
    })
    abandoned.catch(() => {}) // an AbortError when `run` won
    try {
      await Promise.race([run(), abandoned])
    } finally {
      done.abort()
    }
  }
}

/** Resolves when `hard` aborts, rejects when `done` aborts first; leaves no listener behind. */
function hardStopped (hard: AbortSignal, done: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (hard.aborted) { resolve(); return }
    hard.addEventListener('abort', () => resolve(), { once: true, signal: done })
    done.addEventListener('abort', () => reject(new Error('done')), { once: true })
  })
}
