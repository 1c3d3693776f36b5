// One partition that this worker holds: reads its stream in order, hands each message on as an envelope that knows how to be
// acknowledged, and acknowledges what is settled. Everything it does is fenced by its lease's token, which is new for each time
// the partition is taken: what belongs to an earlier holding can neither be read nor acknowledged through it.
//
//   taken ─▶ history (what a holder before had in its hands) ─▶ new ⇄ history (own: after a failure, a lost connection, a message nobody has)
import { failPoints } from '../../runtime/fail-points.ts'
import { type Envelope } from '../queue.ts'
import { errorWord } from './connection.ts'
import { decodeEntry, type Message } from './entry.ts'
import { type Gate } from './gate.ts'
import { type Amount } from './read-shares.ts'
import { type PartitionScripts, type Taken } from './scripts.ts'
import { mustGoAlone, treatmentOf } from './suspicion.ts'

export interface PartitionHost {
  readonly gate: Gate
  /** Waits until nothing else is in the process's hands but what waits for something of its own, and lets nothing else in until the function it resolves to is called. */
  alone (): Promise<() => void>
  deliver (envelope: Envelope): void
  /** The partition cannot be worked on here any more; `avoidMs`: nor taken again before. */
  lost (partition: Partition, why: string, avoidMs: number): void
  /** Something may be read or acknowledged now. */
  moved (): void
  count (what: 'redelivered' | 'gone' | 'fenced', how: number): void
}

const acknowledgeAtOnce = 1_000
const versionPatienceMs = 30_000
const groupPatienceMs = 1_000
const typePatienceMs = 30_000
const failedAgainMs = 1_000

/** A way through what was read and not acknowledged. `take`: as a new holder, so that it counts as delivered once more. */
interface Pass { after: string, readonly take: boolean }

export class Partition {
  readonly number: number
  readonly scripts: PartitionScripts
  readonly #host: PartitionHost
  readonly #hands = new Set<string>()
  /** Of those in hand: what waits for something of its own. */
  readonly #waiting = new Set<string>()
  #due: string[] = []
  #acknowledging: Promise<void> | null = null
  #pass: Pass | null = { after: '', take: true }
  #missedBefore = false
  #ended = false
  /** Stops reading; what is in hand is finished. */
  leaving = false
  /** There may be something to read. */
  signalled = true
  busy = false
  /** Entries not acknowledged, when the stream was last looked at. */
  left = 0

  constructor (number: number, scripts: PartitionScripts, host: PartitionHost) {
    this.number = number
    this.scripts = scripts
    this.#host = host
  }

  /**
   * Nothing is in hand that this worker will be through with soon, and nothing is to be acknowledged. What waits may do so for hours, and
   * the next holder finds it in the history: should both store it in the end, quarantine folds it and a receipt is written once.
   */
  get idle (): boolean { return this.#hands.size === this.#waiting.size && this.#due.length === 0 && this.#acknowledging === null && !this.busy }

  get wantsRead (): boolean { return !this.busy && !this.#stopped && (this.signalled || this.#pass !== null) }

  /** Something that was read may not be here: look through all that is pending before reading anything new. */
  readAgain (): void {
    // a new holder that has not got as far as the first page still has to count its messages as delivered once more
    const take = this.#pass?.take === true && this.#pass.after === ''
    this.#pass = { after: '', take }
    this.signalled = true
  }

  /** The stream as it is: `pending` were read. More of them than are here, twice in a row, means that some are in nobody's hands. */
  looked (left: number, pending: number): void {
    this.left = left
    const missing = !this.busy && this.#pass === null && pending > this.#hands.size + this.#due.length
    if (missing && this.#missedBefore) this.readAgain()
    this.#missedBefore = missing
  }

  /** Reads up to `share` and delivers it. Rejects with the error of Redis. */
  async read (share: Amount): Promise<void> {
    this.busy = true
    try {
      if (this.#pass === null) await this.#readNew(share)
      else await this.#readOn(this.#pass, share)
    } catch (error) {
      const word = errorWord(error)
      if (word === 'NOGROUP') this.#end('its group is gone', groupPatienceMs) // another Redis, or an emptied one
      else if (word === 'WRONGTYPE') this.#end('its key holds something else', typePatienceMs)
      else {
        this.readAgain()
        throw error
      }
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

  get #stopped (): boolean { return this.leaving || this.#ended }

  async #readNew (share: Amount): Promise<void> {
    const found = await this.#host.gate.once(() => this.scripts.read(share.messages, share.bytes))
    if (found === null) { this.#fenced(); return }
    this.signalled = found.more
    await this.#deliverAll(found.entries)
  }

  async #readOn (pass: Pass, share: Amount): Promise<void> {
    const found = await this.#host.gate.once(() => this.scripts.history(pass.after, share.messages, share.bytes, pass.take))
    if (found === null) { this.#fenced(); return }
    if (found.gone > 0) this.#host.count('gone', found.gone)
    const entries = found.entries.filter(({ id }) => !this.#hands.has(id) && !this.#due.includes(id))
    this.#host.count('redelivered', entries.length)
    await this.#deliverAll(entries)
    // only now: a page of which something was not delivered is looked at again
    pass.after = found.last
    if (found.last === '' && this.#pass === pass) this.#pass = null
    this.signalled = true
  }

  async #deliverAll (entries: readonly Taken[]): Promise<void> {
    for (const entry of entries) {
      if (this.#stopped) return
      const message = decodeEntry(entry.bytes)
      if (message === null) { this.#end('it holds messages of a newer version of Pulsegate', versionPatienceMs); return }
      if (mustGoAlone(entry.deliveries)) await this.#deliverAlone(entry.id, message)
      else this.#deliver(entry.id, message, null)
    }
    if (entries.length > 0) failPoints.hit('after-read-before-write')
  }

  async #deliverAlone (id: string, message: Message): Promise<void> {
    const done = await this.#host.alone()
    try {
      if (this.#stopped) return
      const tries = await this.#host.gate.once(() => this.scripts.suspect(id, 1))
      if (tries === null) { this.#fenced(); return }
      const poison = treatmentOf(tries) === 'poison'
      const outcome = await new Promise<Error | 'waits' | null>((resolve) => {
        this.#deliver(id, message, { alone: true, ...(poison && { poison }) }, resolve)
      })
      // whoever can say that it failed, or that it waits, has not died of it
      if (outcome !== null && !this.#ended) await this.#host.gate.once(() => this.scripts.suspect(id, -1)).catch(() => {})
    } finally {
      done()
    }
  }

  #deliver (id: string, message: Message, marks: Pick<Envelope, 'alone' | 'poison'> | null, done?: (outcome: Error | 'waits' | null) => void): void {
    this.#hands.add(id)
    const settle = (error: Error | null): void => {
      this.#settled(id, error)
      done?.(error)
    }
    const waits = (): void => {
      this.#waiting.add(id)
      done?.('waits')
      this.#host.moved() // it may be idle now
    }
    const { publisher, kind, payload, receivedAtMs } = message
    // field by field: a spread costs a microsecond, more than all the rest here
    const envelope: Envelope = { publisher, kind, payload, receivedAtMs, waits, settle }
    this.#host.deliver(marks === null ? envelope : Object.assign(envelope, marks))
  }

  #settled (id: string, error: Error | null): void {
    this.#hands.delete(id)
    this.#waiting.delete(id)
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
  #fenced (acknowledgements = 0): void {
    if (acknowledgements > 0) this.#host.count('fenced', acknowledgements)
    this.#end('its lease is gone', 0)
  }

  #end (why: string, avoidMs: number): void {
    if (this.#ended) return
    this.#ended = true
    this.#host.lost(this, why, avoidMs)
  }
}
