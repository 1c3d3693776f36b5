// Cuts a byte stream into MQTT control packets (MQTT 3.1.1, part 2). Takes chunks as TLS hands them out, gives whole
// frames to a sink, in order. Frames that lie whole in one chunk are handed out in place, without a copy; one that
// spans chunks is collected in a buffer that grows with what has really come, never with what a header claims.
//
// Promise: a frame over the cap is refused at its header bytes, and while the sink is `blocked` nothing is handed out.

export interface FrameSink {
  /** While true, frames wait; the reader looks before each one. */
  readonly blocked: boolean
  /** Largest frame now allowed, fixed header included, bytes. */
  readonly maxFrameBytes: number
  /** One control packet: `buffer[start]` is its first byte, its body is `[body, end)`. The bytes are valid during the call only. */
  frame (buffer: Buffer, start: number, body: number, end: number): void
  /** The stream cannot be read further. The sink must be blocked after this. */
  broken (fault: 'malformed' | 'too-large'): void
}

/** What `frameLength` answers instead of a length. */
const incomplete = 0
const malformed = -1

/** Length of the whole frame that starts at `at`, or `incomplete` or `malformed`. [MQTT-2.2.3] */
function frameLength (buffer: Buffer, at: number, end: number): number {
  let length = 0
  for (let i = 1; i <= 4; i++) {
    if (at + i >= end) return incomplete
    const byte = buffer[at + i] as number
    length |= (byte & 0x7f) << (7 * (i - 1))
    if (byte < 0x80) return 1 + i + length
  }
  return malformed
}

/** Where the body starts: behind the first byte and one to four length bytes. */
function bodyOf (buffer: Buffer, start: number): number {
  let at = start + 1
  while ((buffer[at] as number) >= 0x80) at++
  return at + 1
}

const firstPartialBytes = 512 // most frames that are split are small telemetry

export class FrameReader {
  readonly #sink: FrameSink
  /** The beginning of a frame that spans chunks; `#have` bytes of it are filled. */
  #partial: Buffer | null = null
  #have = 0
  /** What came while the sink was blocked: a view of one chunk (at most 16 KiB, a TLS record). */
  #waiting: Buffer | null = null

  constructor (sink: FrameSink) {
    this.#sink = sink
  }

  /** True when a frame has begun that has not ended. */
  get midFrame (): boolean { return this.#have > 0 || this.#waiting !== null }

  /** Takes the next bytes of the stream. The chunk must not be changed afterwards. */
  read (chunk: Buffer): void {
    if (this.#waiting !== null) {
      this.#waiting = Buffer.concat([this.#waiting, chunk]) // only when a stream delivers after pause()
      return
    }
    let at = 0
    if (this.#have > 0 && !this.#sink.blocked) at = this.#complete(chunk)
    this.#inPlace(chunk, at)
  }

  /** Goes on with what waited while the sink was blocked. */
  resume (): void {
    const waiting = this.#waiting
    if (waiting === null || this.#sink.blocked) return
    this.#waiting = null
    this.read(waiting)
  }

  /** Forgets everything held. */
  clear (): void {
    this.#partial = null
    this.#waiting = null
    this.#have = 0
  }

  #inPlace (chunk: Buffer, from: number): void {
    const sink = this.#sink
    const end = chunk.length
    let at = from
    while (at < end) {
      if (sink.blocked) {
        this.#waiting = chunk.subarray(at)
        return
      }
      const length = frameLength(chunk, at, end)
      if (length === malformed) return sink.broken('malformed')
      if (length > sink.maxFrameBytes) return sink.broken('too-large')
      if (length === incomplete || at + length > end) return this.#keep(chunk, at)
      sink.frame(chunk, at, bodyOf(chunk, at), at + length)
      at += length
    }
  }

  /** Begins a partial frame with what the chunk has of it. */
  #keep (chunk: Buffer, at: number): void {
    const size = chunk.length - at
    this.#partial = Buffer.allocUnsafe(Math.max(firstPartialBytes, size))
    chunk.copy(this.#partial, 0, at)
    this.#have = size
  }

  /** Adds to the partial frame; hands it out when it is whole. Returns where the rest of the chunk starts. */
  #complete (chunk: Buffer): number {
    const sink = this.#sink
    let used = 0
    let length = frameLength(this.#grown(0), 0, this.#have)
    // the header itself may be split: take single bytes until it says how long the frame is
    while (length === incomplete && used < chunk.length) {
      this.#grown(1)[this.#have++] = chunk[used++] as number
      length = frameLength(this.#grown(0), 0, this.#have)
    }
    if (length === incomplete) return used
    if (length === malformed || length > sink.maxFrameBytes) {
      sink.broken(length === malformed ? 'malformed' : 'too-large')
      return chunk.length
    }
    const wanted = Math.min(length - this.#have, chunk.length - used)
    const partial = this.#grown(wanted)
    chunk.copy(partial, this.#have, used, used + wanted)
    this.#have += wanted
    if (this.#have < length) return chunk.length
    this.#partial = null
    this.#have = 0
    sink.frame(partial, 0, bodyOf(partial, 0), length)
    return used + wanted
  }

  /** The partial buffer with room for `more` bytes; doubles, so a sender of single bytes costs linear time. */
  #grown (more: number): Buffer {
    const partial = this.#partial as Buffer
    if (this.#have + more <= partial.length) return partial
    const larger = Buffer.allocUnsafe(Math.max(partial.length * 2, this.#have + more))
    partial.copy(larger, 0, 0, this.#have)
    this.#partial = larger
    return larger
  }
}
