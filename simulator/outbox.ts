// What was made and is not acknowledged, in memory for sending and on disk for a kill -9. A message is on disk before it is
// published the first time; what a new process finds there, less what the ledger holds as acknowledged, it sends again with
// the same identity and the same bytes.
//
// Bounds: messages per publisher and bytes over all. Full means: the oldest are kept, the new message is not taken; its seq is
// spent nevertheless, so that the database shows the loss as a gap instead of hiding it.
import { closeSync, fsyncSync, openSync, renameSync, writeSync } from 'node:fs'
import { AppendFile } from './append-file.ts'

export interface OutMessage {
  /** Whose connection carries it. */
  readonly publisher: string
  /** Whose readings it holds. */
  readonly source: string
  readonly boot: bigint
  readonly bootBegunAtMs: number
  readonly seq: number
  readonly topic: 'telemetry' | 'birth'
  readonly samples: number
  readonly waves: number
  readonly payload: Buffer
}

export interface OutboxLimits {
  /** More than an hour of one message a second. */
  readonly messagesPerPublisher: number
  /** Over all publishers, payload bytes in memory. */
  readonly bytes: number
}

export const defaultOutboxLimits: OutboxLimits = { messagesPerPublisher: 4_096, bytes: 64 * 1_024 * 1_024 }

// The file is written anew when it is this large and mostly acknowledged messages.
const compactAboveBytes = 16 * 1_024 * 1_024
const compactWhenTimesLive = 4

export class Outbox {
  readonly #limits: OutboxLimits
  readonly #queues = new Map<string, PublisherQueue>()
  readonly #recovered = new WeakSet<OutMessage>()
  #lines: AppendFile
  #bytes = 0
  #messages = 0

  private constructor (lines: AppendFile, limits: OutboxLimits) {
    this.#lines = lines
    this.#limits = limits
  }

  /** Opens `file` and takes back what is in it and not `acknowledged`; that much is taken whatever the limits say. */
  static async open (file: string, acknowledged: (message: OutMessage) => boolean, limits: OutboxLimits): Promise<Outbox> {
    const left: OutMessage[] = []
    const lines = await AppendFile.open(file, (text) => {
      const message = parse(text)
      if (!acknowledged(message)) left.push(message)
    })
    const outbox = new Outbox(lines, limits)
    for (const message of left) {
      outbox.#take(message)
      outbox.#recovered.add(message)
    }
    outbox.#compact()
    return outbox
  }

  get messages (): number { return this.#messages }
  get bytes (): number { return this.#bytes }

  queue (publisher: string): PublisherQueue {
    let queue = this.#queues.get(publisher)
    if (!queue) this.#queues.set(publisher, queue = new PublisherQueue())
    return queue
  }

  /** Was it made by an earlier process (which may have sent it)? */
  isRecovered (message: OutMessage): boolean { return this.#recovered.has(message) }

  /** False: full, not taken. */
  add (message: OutMessage): boolean {
    const full = this.queue(message.publisher).length >= this.#limits.messagesPerPublisher ||
      this.#bytes + message.payload.length > this.#limits.bytes
    if (full) return false
    this.#take(message)
    this.#lines.append(format(message))
    return true
  }

  /** Acknowledged (and in the ledger): forget it. */
  remove (message: OutMessage): void {
    if (!this.queue(message.publisher).remove(message)) return
    this.#bytes -= message.payload.length
    this.#messages--
  }

  /** Is everything that was added on disk? Nothing may be published while it is not. */
  get written (): boolean { return !this.#lines.pending }

  /** To be called before anything that was added is published. */
  flush (): void {
    this.#lines.flush()
  }

  /** Rewrites the file when most of it is acknowledged. Call now and then, with the ledger flushed. */
  tidy (): void {
    if (this.#lines.size > compactAboveBytes && this.#lines.size > compactWhenTimesLive * this.#bytes) this.#compact()
  }

  * outstanding (): Generator<OutMessage> {
    for (const queue of this.#queues.values()) yield * queue
  }

  close (): void {
    this.#lines.close()
  }

  #take (message: OutMessage): void {
    this.queue(message.publisher).push(message)
    this.#bytes += message.payload.length
    this.#messages++
  }

  /** A new file beside the old one, synced, renamed over it: a kill at any moment leaves one that is whole. */
  #compact (): void {
    const { file } = this.#lines
    this.#lines.close()
    const fd = openSync(`${file}.new`, 'w', 0o600)
    for (const message of this.outstanding()) writeSync(fd, format(message) + '\n')
    fsyncSync(fd)
    closeSync(fd)
    renameSync(`${file}.new`, file)
    this.#lines = new AppendFile(file)
  }
}

/** The messages of one publisher, oldest first; acknowledged ones may leave from anywhere. */
export class PublisherQueue {
  readonly #messages = new Set<OutMessage>()

  get length (): number { return this.#messages.size }
  push (message: OutMessage): void { this.#messages.add(message) }
  remove (message: OutMessage): boolean { return this.#messages.delete(message) }
  [Symbol.iterator] (): IterableIterator<OutMessage> { return this.#messages.values() }
}

type Line = readonly [string, string, string, number, number, 'telemetry' | 'birth', number, number, string]

function format (message: OutMessage): string {
  return JSON.stringify([message.publisher, message.source, message.boot.toString(), message.bootBegunAtMs, message.seq,
    message.topic, message.samples, message.waves, message.payload.toString('base64')] satisfies Line)
}

function parse (text: string): OutMessage {
  const [publisher, source, boot, bootBegunAtMs, seq, topic, samples, waves, payload] = JSON.parse(text) as Line
  return { publisher, source, boot: BigInt(boot), bootBegunAtMs, seq, topic, samples, waves, payload: Buffer.from(payload, 'base64') }
}
