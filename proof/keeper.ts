// What an init system does in production: a part that has ended is started again, again and again until it stands. A part that the
// proof itself has killed is held down until it is released. Counts the deaths that nobody ordered: a broker that dies because
// Redis went away is a fault of the broker's.
import { sleep } from '../runtime/retry.ts'
import { type Part } from './parts/part.ts'

const lookEveryMs = 100
const retryAfterMs = 500

export class Keeper {
  readonly #parts: readonly Part[]
  readonly #stop = new AbortController()
  readonly #held = new Map<string, number>()
  readonly #busy = new Set<string>()
  readonly #up = new Set<string>()
  readonly #starts = new Map<string, number>()
  readonly #deaths = new Map<string, number>()
  readonly #faults = new Map<string, string>()
  readonly #loop: Promise<void>

  /** All of `parts` run. */
  constructor (parts: readonly Part[]) {
    this.#parts = parts
    for (const { name } of parts) this.#up.add(name)
    this.#loop = this.#run()
  }

  /** Nobody starts `name` until it is released as often as it was held. */
  hold (name: string): void {
    this.#held.set(name, (this.#held.get(name) ?? 0) + 1)
    // whatever ends it from here on was ordered
    this.#up.delete(name)
  }

  release (name: string): void {
    const left = (this.#held.get(name) ?? 0) - 1
    if (left > 0) this.#held.set(name, left)
    else this.#held.delete(name)
    // it may have been started and killed again meanwhile: that was ordered, too
    if (this.#parts.find((part) => part.name === name)?.running !== true) this.#up.delete(name)
  }

  /** Starts of `name` since the set-up stood. */
  starts (name: string): number { return this.#starts.get(name) ?? 0 }

  /** Deaths that nobody ordered, by part. */
  get deaths (): Record<string, number> { return Object.fromEntries(this.#deaths) }

  /** What does not stand, and why; empty when all do. */
  down (): string[] {
    return this.#parts.filter(({ name }) => this.isDown(name))
      .map(({ name }) => `${name} is not up${this.#faults.has(name) ? `: ${this.#faults.get(name)}` : ''}`)
  }

  isDown (name: string): boolean {
    const part = this.#parts.find((each) => each.name === name)
    return part?.running !== true || this.#busy.has(name) || this.#held.has(name)
  }

  /** The proof started `name` itself: it counts as one that stands. */
  started (name: string): void {
    this.#starts.set(name, this.starts(name) + 1)
    this.#up.add(name)
    this.#faults.delete(name)
  }

  async close (): Promise<void> {
    this.#stop.abort()
    await this.#loop
  }

  async #run (): Promise<void> {
    const starting = new Set<Promise<void>>()
    while (!this.#stop.signal.aborted) {
      for (const part of this.#parts) {
        const { name, running } = part
        if (running) {
          if (!this.#held.has(name) && !this.#busy.has(name)) this.#up.add(name)
          continue
        }
        if (this.#held.has(name) || this.#busy.has(name)) continue
        if (this.#up.delete(name)) this.#deaths.set(name, (this.#deaths.get(name) ?? 0) + 1)
        const start = this.#start(part).finally(() => starting.delete(start))
        starting.add(start)
      }
      await sleep(lookEveryMs, this.#stop.signal).catch(() => {})
    }
    await Promise.allSettled(starting)
  }

  async #start (part: Part): Promise<void> {
    this.#busy.add(part.name)
    try {
      await part.start()
      this.started(part.name)
    } catch (error) {
      this.#faults.set(part.name, (error as Error).message)
      await sleep(retryAfterMs, this.#stop.signal).catch(() => {})
    } finally {
      this.#busy.delete(part.name)
    }
  }
}
