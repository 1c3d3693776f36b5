// Asks the registry whether a device may come in, with a deadline, and remembers who was active: an outage of the
// database must not lock out devices that were let in before (they would lose what they cannot buffer). A device that is
// not remembered is told "server unavailable", never let in.
//
// A state may change while a device is on its way in, after the registry answered and before the session lives. So a device
// comes in by a visit, which hears of such changes from the first question to the last step.
import { LRUCache } from 'lru-cache'
import { PulsegateError } from '../runtime/errors.ts'
import { type Logger } from '../runtime/observability.ts'
import { type Limits } from './limits.ts'
import { type RefusalReason } from './refusals.ts'
import { type DeviceState } from '../schemas/device.ts'
import { type Registry } from './registry.ts'

/** Questions asked in a row because the state changed under them; after that the change is taken at its word. */
const maxQuestions = 3

/** One device on its way in, see Admissions.visit. */
export interface Visit {
  /** Null: come in. Else why not. Never rejects. */
  ask (): Promise<RefusalReason | null>
  /** Null, or the state the device has changed to since the last answer. */
  changed (): RefusalReason | null
  end (): void
}

export class Admissions {
  readonly #registry: Registry
  readonly #timeoutMs: number
  readonly #log: Logger
  readonly #active: LRUCache<string, true>
  /** By id: the state told since the last question, if any. Connects of one id take turns, so there is one visit of it. */
  readonly #visits = new Map<string, { told: DeviceState | null }>()

  constructor (registry: Registry, limits: Limits, log: Logger) {
    this.#registry = registry
    this.#timeoutMs = limits.admitTimeoutMs
    this.#log = log
    this.#active = new LRUCache({ max: limits.admissionMemoryEntries, ttl: limits.admissionMemoryMs })
  }

  /** Begins the visit of a device; the caller ends it when the session lives or was refused. */
  visit (id: string): Visit {
    const visit: { told: DeviceState | null } = { told: null }
    this.#visits.set(id, visit)
    const changed = (): RefusalReason | null => visit.told === 'active' ? null : visit.told
    return {
      ask: async () => {
        for (let questions = 0; questions < maxQuestions; questions++) {
          visit.told = null
          const { answer, known } = await this.#ask(id)
          if (visit.told === null || !known) return answer
          this.#active.delete(id) // the answer may be older than the change
        }
        return changed()
      },
      changed,
      end: () => { if (this.#visits.get(id) === visit) this.#visits.delete(id) }
    }
  }

  /** The registry has changed: what was remembered of `id` is void. */
  tell (id: string, state: DeviceState): void {
    this.#active.delete(id)
    const visit = this.#visits.get(id)
    if (visit !== undefined) visit.told = state
  }

  /** Ids that would be let in while the registry is away. */
  remembered (): IterableIterator<string> { return this.#active.keys() }

  /** `known`: the registry itself has answered. */
  async #ask (id: string): Promise<{ answer: RefusalReason | null, known: boolean }> {
    try {
      const { state } = await withDeadline(this.#timeoutMs, (signal) => this.#registry.admit(id, signal))
      if (state === 'active') this.#active.set(id, true)
      else this.#active.delete(id)
      return { answer: state === 'active' ? null : state, known: true }
    } catch (error) {
      if (error instanceof PulsegateError && error.code === 'REGISTRATION_LIMITED') return { answer: 'registration-limited', known: true }
      const known = this.#active.has(id)
      this.#log.debug({ device: id, known, error: error instanceof Error ? error.message : 'unknown' }, 'the registry did not answer')
      return { answer: known ? null : 'registry-unavailable', known: false }
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
