// One partition that this worker holds: reads its stream in order, hands each message on as an envelope that knows how to be
// acknowledged, and acknowledges what is settled. Everything it does is fenced by its lease's token, which is new for each time
// the partition is taken: what belongs to an earlier holding can neither be read nor acknowledged through it.
//
//   taken ─▶ history (what a holder before had in its hands) ─▶ new ⇄ history (own, after a lost connection or a failed batch)
import { failPoints } from '../../runtime/fail-points.ts'
import { type Envelope } from '../queue.ts'
import { errorWord } from './connection.ts'
import { decodeEntry } from './entry.ts'
import { type Gate } from './gate.ts'
import { type PartitionScripts, type Taken } from './scripts.ts'
import { type Turnstile } from './turnstile.ts'

export interface PartitionHost {
  readonly gate: Gate
  /** One suspect at a time in the whole process. */
  readonly alone: Turnstile
  deliver (envelope: Envelope): void
  /** The partition cannot be worked on here any more; `avoidMs`: nor taken again before. */
  lost (partition: Partition, why: string, avoidMs: number): void
  /** Something may be read or acknowledged now. */
  moved (): void
  count (what: 'redelivered' | 'gone' | 'fenced', how: number): void
}

export interface ReadResult { readonly messages: number, readonly bytes: number }
const nothing: ReadResult = { messages: 0, bytes: 0 }

// Two deaths may be anybody's fault; the third time a message goes alone.
const aloneFromDelivery = 3
// Died twice with nothing else in hand: it is the message.
const poisonAfterAlone = 2
const acknowledgeAtOnce = 1_000
const versionPatienceMs = 30_000
const failedAgainMs = 1_000

export class Partition {
  readonly number: number
  readonly scripts: PartitionScripts
  readonly #host: PartitionHost
  readonly #hands = new Set<string>()
  #due: string[] = []
  #acknowledging: Promise<void> | null = null
  #history: { after: string, readonly take: boolean } | null = { after: '', take: true }
  #ended = false
  /** Stops reading; what is in hand is finished. */
  leaving = false
  /** There may be something to read. */
  signalled = true
  busy = false
  /** Entries in the stream when it was last looked at. */
  left = 0

  constructor (number: number, scripts: PartitionScripts, host: PartitionHost) {
    this.number = number
    this.scripts = scripts
    this.#host = host
  }

  /** Nothing is in hand and nothing is to be acknowledged. */
  get idle (): boolean { return this.#hands.size === 0 && this.#due.length === 0 && this.#acknowledging === null && !this.busy }

  get wantsRead (): boolean { return !this.busy && !this.leaving && !this.#ended && (this.signalled || this.#history !== null) }

  /** What was read and whose answer was lost is still ours: look for it before anything new. */
  readAgain (): void {
    this.#history ??= { after: '', take: false }
    this.signalled = true
  }

  /** Reads up to `count` messages and delivers them. Gives how many, and their bytes; rejects with the error of Redis. */
  async read (count: number): Promise<ReadResult> {
    this.busy = true
    try {
      const history = this.#history
      return history === null ? await this.#readNew(count) : await this.#readHistory(history, count)
    } catch (error) {
      const word = errorWord(error)
      if (word === 'NOGROUP' || word === 'WRONGTYPE') this.#end(`its group is gone (${word})`, 0) // another Redis, or an emptied one
      else throw error
      return nothing
    } finally {
      this.busy = false
    }
  }

  /** The lease is gone, or given back: what is in hand counts no more. */
  end (): void { this.#ended = true }

  /** Acknowledges what is due; resolves when that is answered. */
  async acknowledge (signal: AbortSignal): Promise<void> {
    if (this.#due.length === 0 && this.#acknowledging === null) return
    this.#acknowledging ??= this.#acknowledgeAll(signal).finally(() => {
      this.#acknowledging = null
      this.#host.moved()
    })
    await this.#acknowledging
  }

  async #readNew (count: number): Promise<ReadResult> {
    const entries = await this.#host.gate.once(() => this.scripts.read(count))
    if (entries === null) return this.#fenced()
    this.signalled = entries.length >= count
    return await this.#deliverAll(entries)
  }

  async #readHistory (history: { after: string, readonly take: boolean }, count: number): Promise<ReadResult> {
    const found = await this.#host.gate.once(() => this.scripts.history(history.after, count, history.take))
    if (found === null) return this.#fenced()
    if (found.gone > 0) this.#host.count('gone', found.gone)
    history.after = found.last
    // a message that fails while this goes on starts it anew
    if (found.last === '' && this.#history === history) this.#history = null
    this.signalled = true
    const entries = found.entries.filter(({ id }) => !this.#hands.has(id) && !this.#due.includes(id))
    this.#host.count('redelivered', entries.length)
    return await this.#deliverAll(entries)
  }

  async #deliverAll (entries: readonly Taken[]): Promise<ReadResult> {
    let bytes = 0
    for (const entry of entries) {
      if (this.#ended) break
      bytes += entry.bytes.length
      if (entry.deliveries >= aloneFromDelivery) await this.#deliverAlone(entry)
      else this.#deliver(entry, {})
    }
    if (entries.length > 0) failPoints.hit('after-read-before-write')
    return { messages: entries.length, bytes }
  }

  async #deliverAlone (entry: Taken): Promise<void> {
    const done = await this.#host.alone.enter()
    try {
      const tries = await this.#host.gate.once(() => this.scripts.suspect(entry.id))
      if (tries === null) { this.#fenced(); return }
      await new Promise<void>((resolve) => {
        this.#deliver(entry, { alone: true, ...(tries > poisonAfterAlone && { poison: true as const }) }, resolve)
      })
    } finally {
      done()
    }
  }

  #deliver ({ id, bytes }: Taken, marks: Pick<Envelope, 'alone' | 'poison'>, settled?: () => void): void {
    const message = decodeEntry(bytes)
    if (message === null) {
      this.#end('it holds messages of a newer version of Pulsegate', versionPatienceMs)
      settled?.()
      return
    }
    this.#hands.add(id)
    this.#host.deliver({
      ...message,
      ...marks,
      settle: (error) => {
        this.#settled(id, error)
        settled?.()
      }
    })
  }

  #settled (id: string, error: Error | null): void {
    this.#hands.delete(id)
    if (this.#ended) return
    if (error === null) this.#due.push(id)
    else setTimeout(() => { this.readAgain(); this.#host.moved() }, failedAgainMs).unref() // it stays ours, unacknowledged
    this.#host.moved()
  }

  async #acknowledgeAll (signal: AbortSignal): Promise<void> {
    while (this.#due.length > 0 && !this.#ended) {
      const ids = this.#due.slice(0, acknowledgeAtOnce)
      failPoints.hit('after-commit-before-xack')
      const count = await this.#host.gate.until(() => this.scripts.acknowledge(ids), signal)
      failPoints.hit('after-xack-before-trim')
      if (count === null) { this.#fenced(ids.length); return }
      this.#due = this.#due.slice(ids.length)
    }
  }

  /** The server says that the lease is not ours. */
  #fenced (acknowledgements = 0): ReadResult {
    if (acknowledgements > 0) this.#host.count('fenced', acknowledgements)
    this.#end('its lease is gone', 0)
    return nothing
  }

  #end (why: string, avoidMs: number): void {
    if (this.#ended) return
    this.#ended = true
    this.#host.lost(this, why, avoidMs)
  }
}
