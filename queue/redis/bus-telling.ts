// What this broker has to tell the others, and in which order: news first, then, when something may have been missed, everything
// again. One piece is under way at a time. News that cannot be told is not kept: it is part of the everything that is owed then.
import { maxSharedRevocations, type CertificateUse, type PeerListener, type SessionMark } from '../peers.ts'
import { maxEntries, maxUses } from './bus-messages.ts'

/** How it goes out; each rejects when it did not, or may not have. */
export interface Mouth {
  sayBegun (sessions: readonly SessionMark[]): Promise<void>
  sayUsed (uses: readonly CertificateUse[]): Promise<void>
  sayRevoked (serials: readonly string[]): Promise<void>
  /** Serials kept in Redis, piece by piece. */
  kept (): AsyncIterable<readonly string[]>
  /** Adds to those. Null, or why Redis takes no more of them now. */
  keep (serials: readonly string[]): Promise<string | null>
}

// a reconnect storm between two turns of the sending loop; beyond it everything is told again, which is the same and has no bound
const maxNews = 10_000
const keepAgainMs = 60_000

export class Telling {
  readonly #mouth: Mouth
  readonly #listener: () => PeerListener | null
  readonly #failed: (error: unknown) => void
  readonly #sessions = new Map<string, SessionMark>()
  readonly #serials = new Set<string>()
  readonly #uses = new Map<string, CertificateUse>()
  #owesSessions = false
  #owesRevocations = false
  #round: Iterator<SessionMark> | null = null
  #open = false
  #epoch = 0
  #running = false
  #keepAgain: NodeJS.Timeout | undefined
  /** Why not all is known that others have revoked, or may not be known to those that start later; null when it is. */
  fault: string | null = null

  /** `failed` is told of an error; nothing more is said until open() is called again. */
  constructor (mouth: Mouth, listener: () => PeerListener | null, failed: (error: unknown) => void) {
    this.#mouth = mouth
    this.#listener = listener
    this.#failed = failed
  }

  begun (session: SessionMark): void {
    if (!this.#open || this.#owesSessions) { this.#owesSessions = true; return }
    this.#sessions.set(session.id, session)
    if (this.#sessions.size > maxNews) this.#oweSessions()
    this.#start()
  }

  /** Told once or, when nobody is reached now or too much is waiting, not at all. */
  used (use: CertificateUse): void {
    if (!this.#open || this.#uses.size >= maxNews) return
    this.#uses.set(`${use.id} ${use.serial}`, use)
    this.#start()
  }

  revoked (serials: readonly string[]): void {
    if (!this.#open || this.#owesRevocations) { this.#owesRevocations = true; return }
    for (const serial of serials) this.#serials.add(serial)
    this.#start()
  }

  /** The way is open (again): something may have been missed on either side. */
  open (): void {
    this.#open = true
    this.fault = 'what other brokers have revoked is being read'
    this.#oweSessions()
    this.#owesRevocations = true
    this.#start()
  }

  close (): void {
    this.#epoch++
    this.#open = false
    this.#oweSessions()
    this.#serials.clear()
    this.#uses.clear()
    this.#owesRevocations = true
    clearTimeout(this.#keepAgain)
  }

  #oweSessions (): void {
    this.#sessions.clear()
    this.#round = null
    this.#owesSessions = true
  }

  #start (): void {
    if (this.#running) return
    this.#running = true
    // what begins in this turn of the event loop goes out in one message
    setImmediate(() => { this.#run().catch(this.#failed) })
  }

  async #run (): Promise<void> {
    const epoch = this.#epoch
    try {
      while (this.#open && this.#owes) await this.#piece()
    } catch (error) {
      if (epoch !== this.#epoch) return // of a way that was closed since; another may be open
      this.close()
      this.#failed(error)
    } finally {
      this.#running = false
      if (this.#open && this.#owes) this.#start()
    }
  }

  get #owes (): boolean {
    return this.#sessions.size > 0 || this.#serials.size > 0 || this.#uses.size > 0 || this.#owesRevocations || this.#owesSessions || this.#round !== null
  }

  async #piece (): Promise<void> {
    if (this.#sessions.size > 0) {
      const marks = take(this.#sessions.values(), maxEntries)
      for (const { id } of marks) this.#sessions.delete(id)
      await this.#mouth.sayBegun(marks)
    } else if (this.#serials.size > 0) {
      const serials = [...this.#serials]
      this.#serials.clear()
      await this.#revoke(serials)
    } else if (this.#uses.size > 0) {
      const uses = take(this.#uses.values(), maxUses)
      for (const { id, serial } of uses) this.#uses.delete(`${id} ${serial}`)
      await this.#mouth.sayUsed(uses)
    } else if (this.#owesRevocations) {
      this.#owesRevocations = false
      await this.#exchangeRevocations()
    } else {
      this.#owesSessions = false
      this.#round ??= (this.#listener()?.sessions() ?? [])[Symbol.iterator]()
      const marks = take(this.#round, maxEntries)
      if (marks.length < maxEntries) this.#round = null
      if (marks.length > 0) await this.#mouth.sayBegun(marks)
    }
  }

  /** Hears what is kept in Redis, and adds what is on our lists and not there. */
  async #exchangeRevocations (): Promise<void> {
    const kept = new Set<string>()
    for await (const serials of this.#mouth.kept()) {
      for (const serial of serials) kept.add(serial)
      this.#listener()?.revoked(serials)
      if (kept.size >= maxSharedRevocations) break
    }
    await this.#revoke([...this.#listener()?.revocations() ?? []].filter((serial) => !kept.has(serial)))
  }

  async #revoke (serials: readonly string[]): Promise<void> {
    this.fault = null
    for (let i = 0; i < serials.length; i += maxEntries) {
      const piece = serials.slice(i, i + maxEntries)
      // kept before it is said: who is not listening yet when it is said reads afterwards what is kept
      this.fault ??= await this.#mouth.keep(piece)
      await this.#mouth.sayRevoked(piece) // said also when not kept: it needs no memory, so a Redis that is full still takes it
    }
    if (this.fault === null) return
    clearTimeout(this.#keepAgain)
    this.#keepAgain = setTimeout(() => {
      this.#owesRevocations = true
      if (this.#open) this.#start()
    }, keepAgainMs).unref()
  }
}

/** Up to `count` of what the iterator has next; fewer means that it is at its end. */
function take<T> (iterator: Iterator<T>, count: number): T[] {
  const taken: T[] = []
  while (taken.length < count) {
    const next = iterator.next()
    if (next.done === true) break
    taken.push(next.value)
  }
  return taken
}
