// Asks the registry whether a device may come in, with a deadline, and remembers who was active: an outage of the
// database must not lock out devices that were let in before (they would lose what they cannot buffer). A device that is
// not remembered is told "server unavailable", never let in.
import { LRUCache } from 'lru-cache'
import { type Logger } from '../runtime/observability.ts'
import { type Limits } from './limits.ts'
import { type RefusalReason } from './refusals.ts'
import { type Registry } from './registry.ts'

export class Admissions {
  readonly #registry: Registry
  readonly #timeoutMs: number
  readonly #log: Logger
  readonly #active: LRUCache<string, true>

  constructor (registry: Registry, limits: Limits, log: Logger) {
    this.#registry = registry
    this.#timeoutMs = limits.admitTimeoutMs
    this.#log = log
    this.#active = new LRUCache({ max: limits.admissionMemoryEntries, ttl: limits.admissionMemoryMs })
  }

  /** Null: come in. Else why not. Never rejects. */
  async ask (id: string): Promise<RefusalReason | null> {
    try {
      const { state } = await withDeadline(this.#timeoutMs, (signal) => this.#registry.admit(id, signal))
      if (state === 'active') {
        this.#active.set(id, true)
        return null
      }
      this.#active.delete(id)
      return state
    } catch (error) {
      const known = this.#active.has(id)
      this.#log.debug({ device: id, known, error: error instanceof Error ? error.message : 'unknown' }, 'the registry did not answer')
      return known ? null : 'registry-unavailable'
    }
  }
}

/** Runs `work` and rejects after `ms` even when it ignores its signal. */
async function withDeadline<T> (ms: number, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const abort = new AbortController()
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => {
      abort.abort()
      reject(new Error(`no answer within ${ms} ms`))
    }, ms)
  })
  try {
    return await Promise.race([work(abort.signal), late])
  } finally {
    clearTimeout(timer)
  }
}
