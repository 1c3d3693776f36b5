// The most memory each process took, looked at twice a second while the scenario runs.
import { sleep } from '../runtime/retry.ts'
import { type MemoryFacts } from './facts.ts'
import { type Part } from './parts/part.ts'

const everyMs = 500

export class MemoryWatch {
  readonly #peaks = new Map<string, number>()
  readonly #stop = new AbortController()
  readonly #loop: Promise<void>

  constructor (parts: readonly Part[]) {
    this.#loop = this.#run(parts)
  }

  /** By part; one that could never be measured is left out. */
  facts (): MemoryFacts[] {
    return [...this.#peaks].map(([part, peakBytes]) => ({ part, peakBytes }))
  }

  async close (): Promise<void> {
    this.#stop.abort()
    await this.#loop
  }

  async #run (parts: readonly Part[]): Promise<void> {
    while (!this.#stop.signal.aborted) {
      for (const part of parts) {
        const bytes = await part.residentBytes().catch(() => null)
        if (bytes !== null) this.#peaks.set(part.name, Math.max(bytes, this.#peaks.get(part.name) ?? 0))
      }
      await sleep(everyMs, this.#stop.signal).catch(() => {})
    }
  }
}
