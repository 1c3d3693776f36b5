// Messages that wait together: those that have a place in the waiting room, and copies of them, which have none. Takes them one by one, gives
// what to ask for next: the ones with a place first, and once these are stored their copies, so that each is counted and folded as ever.
import { createHash } from 'node:crypto'
import { type Envelope } from '../queue/queue.ts'

/** Two messages with the same are the same message, sent or delivered twice. */
export function identityOf ({ publisher, kind, payload }: Envelope): string {
  return `${publisher} ${kind} ${createHash('sha256').update(payload).digest('base64')}`
}

/** What a group has got rid of. */
export interface Stored { readonly places: ReadonlyArray<readonly [identity: string, envelope: Envelope]>, readonly copies: readonly Envelope[] }

export class WaitingGroup {
  /** When all of them are stored. */
  readonly done: Promise<void>
  #settle: { resolve: () => void, reject: (error: unknown) => void } = { resolve () {}, reject () {} }
  readonly #identities = new Map<Envelope, string>()
  readonly #copies: Envelope[] = []
  #asking: readonly Envelope[]

  constructor (places: ReadonlyMap<string, Envelope>) {
    for (const [identity, envelope] of places) this.#identities.set(envelope, identity)
    this.#asking = [...places.values()]
    this.done = new Promise((resolve, reject) => { this.#settle = { resolve, reject } })
  }

  get messages (): number { return this.#asking.length + this.#copies.length }

  /** What to try next. */
  get asking (): readonly Envelope[] { return this.#asking }

  join (copy: Envelope): void { this.#copies.push(copy) }

  /** Of `asking` all but `left` are stored; when none is left, up to `copiesAtOnce` copies are next. Done with the last of them. */
  stored (left: readonly Envelope[], copiesAtOnce: number): Stored {
    const still = new Set(left)
    const places: Array<[string, Envelope]> = []
    const copies: Envelope[] = []
    for (const envelope of this.#asking) {
      if (still.has(envelope)) continue
      const identity = this.#identities.get(envelope)
      if (identity === undefined) copies.push(envelope)
      else places.push([identity, envelope])
      this.#identities.delete(envelope)
    }
    this.#asking = left.length > 0 ? left : this.#copies.splice(0, copiesAtOnce)
    if (this.#asking.length === 0) this.#settle.resolve()
    return { places, copies }
  }

  giveUp (error: unknown): void { this.#settle.reject(error) }
}
