// One direction of one connection: what comes from one socket goes to the other, in order and unchanged, when the rules of the
// proxy let it. Bounded: above `maxQueuedBytes` the source is not read, so its sender feels a slow receiver as it would without
// us. A long delay therefore bounds throughput, as a long line does (1 MiB at 100 ms: 10 MB/s).
import { type Socket } from 'node:net'
import { type Direction, type Rules } from './proxy-rules.ts'

const maxQueuedBytes = 1_048_576
/** Written in pieces, so that a change of the rules holds for the rest of a chunk. */
const pieceBytes = 65_536

export interface FlowOptions {
  readonly from: Socket
  readonly to: Socket
  readonly direction: Direction
  readonly rules: Rules
  /** Half a chunk has been written: reset both sides now. */
  readonly onHalfWritten: () => void
  /** The source has ended after bytes of it were thrown away: its end must not look like a whole stream. */
  readonly onTornEnd: () => void
}

export class Flow {
  readonly #options: FlowOptions
  #queue: Array<{ bytes: Buffer, at: number }> = []
  #queuedBytes = 0
  #ended = false
  #timer: NodeJS.Timeout | undefined
  #over = false

  /** Nothing is read or written until the connection is cut. */
  held = false
  /** Bytes were thrown away: this connection may never go on. */
  lost = false

  constructor (options: FlowOptions) {
    this.#options = options
    const { from, to } = options
    from.on('data', (bytes: Buffer) => {
      if (this.#over) return
      this.#queue.push({ bytes, at: performance.now() })
      this.#queuedBytes += bytes.length
      this.pump()
    })
    from.on('end', () => {
      this.#ended = true
      this.pump()
    })
    to.on('drain', () => this.pump())
  }

  /** Held here, our own write buffer included. */
  get bufferedBytes (): number { return this.#queuedBytes + this.#options.to.writableLength }

  /** Stops reading, and forwards nothing more. */
  hold (): void {
    this.held = true
    this.#options.from.pause()
  }

  /** Forwards what may go now; called again whenever something has changed. */
  pump (): void {
    clearTimeout(this.#timer)
    if (this.#over || this.held) return
    const waitMs = this.#forward()
    if (this.#over) return
    if (waitMs > 0) this.#timer = setTimeout(() => this.pump(), waitMs)
    this.#regulate()
    if (this.#ended && this.#queue.length === 0) this.#finish()
  }

  /** Ends this flow: what is queued is gone. */
  close (): void {
    this.#over = true
    clearTimeout(this.#timer)
    this.#options.from.pause()
    this.#queue = []
    this.#queuedBytes = 0
  }

  /** Returns after how many ms to come again; 0: nothing left, or the target's `drain` will call. */
  #forward (): number {
    const { to, direction, rules } = this.#options
    for (let head = this.#queue[0]; head !== undefined; head = this.#queue[0]) {
      const waitMs = head.at + rules.delayMs - performance.now()
      if (waitMs > 0) return Math.ceil(waitMs)
      if (direction === 'down' && (rules.dropReplies || this.lost)) {
        this.lost = true
        this.#shift(head.bytes.length)
        continue
      }
      if (to.writableNeedDrain) return 0
      if (direction === 'up' && rules.midFrame && head.bytes.length > 1) {
        this.#tear(head.bytes)
        return 0
      }
      const granted = rules.buckets[direction].take(Math.min(head.bytes.length, pieceBytes))
      if (granted === 0) return rules.buckets[direction].waitMs()
      to.write(head.bytes.subarray(0, granted))
      rules.forwarded[direction] += granted
      this.#shift(granted)
    }
    return 0
  }

  /** Takes `count` bytes off the head of the queue. */
  #shift (count: number): void {
    const head = this.#queue[0]
    if (head === undefined) return
    this.#queuedBytes -= count
    if (count === head.bytes.length) this.#queue.shift()
    else head.bytes = head.bytes.subarray(count)
  }

  #tear (bytes: Buffer): void {
    const { to, rules, onHalfWritten } = this.#options
    rules.midFrame = false
    const half = bytes.subarray(0, bytes.length >> 1)
    rules.forwarded.up += half.length
    this.close()
    to.write(half, onHalfWritten)
  }

  #regulate (): void {
    const { from } = this.#options
    if (this.#queuedBytes >= maxQueuedBytes) from.pause()
    else if (from.isPaused() && this.#queuedBytes <= maxQueuedBytes / 2) from.resume()
  }

  #finish (): void {
    const { to, onTornEnd } = this.#options
    if (this.lost) return onTornEnd()
    this.close()
    // only when every byte is with the kernel: a reset that came between would otherwise make a torn stream look whole
    if (to.writableLength === 0) to.end()
    else to.write(Buffer.alloc(0), (error) => { if (!error) to.end() })
  }
}
