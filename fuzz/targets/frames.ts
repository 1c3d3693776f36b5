// The cutting of a byte stream into MQTT packets: whatever the bytes, however they are cut into chunks, and whenever the sink
// blocks, the frames are those that a reader of the whole stream finds. The first byte of an input says how it is cut.
import { FrameReader, type FrameSink } from '../../broker/frames.ts'
import { deviceId, packet, stream } from '../packets.ts'
import { Random } from '../../simulator/random.ts'
import { below, type Target } from '../target.ts'

const most = 4_096

class Sink implements FrameSink {
  blocked = false
  readonly maxFrameBytes = most
  readonly frames: Buffer[] = []
  fault: string | null = null
  readonly #blockEvery: number

  constructor (blockEvery: number) { this.#blockEvery = blockEvery }

  frame (buffer: Buffer, start: number, body: number, end: number): void {
    if (body <= start || body > end || end > buffer.length || end - start > most) throw new Error('a frame outside of its buffer')
    this.frames.push(Buffer.from(buffer.subarray(start, end)))
    if (this.frames.length % this.#blockEvery === 0) this.blocked = true
  }

  broken (fault: string): void {
    if (this.fault !== null) throw new Error('broken twice')
    this.fault = fault
    this.blocked = true
  }
}

const target: Target = {
  seeds: async () => Array.from({ length: 20 }, (_, i) => Buffer.concat([Buffer.from([i * 13]), packet(new Random('seed', i), deviceId)])),
  make: (random, known) => Buffer.concat([random.bytes(1), stream(random, deviceId, known)]),
  open: async () => ({ outcomes: new Set(['whole', 'unfinished', 'malformed', 'too-large']), run, close: async () => {} }),
  hangAfterMs: 5_000,
  growthBytes: 64 * 2 ** 20
}
export default target

function run (input: Buffer): string {
  const random = new Random('cut', input[0] ?? 0)
  const bytes = input.subarray(1)
  const sink = new Sink(below(random, 1, 6))
  const reader = new FrameReader(sink)
  for (let at = 0; at < bytes.length && sink.fault === null;) {
    const size = below(random, 1, (input[0] ?? 0) % 2 === 0 ? 4 : 2_000)
    reader.read(bytes.subarray(at, at + size))
    at += size
    while (sink.blocked && sink.fault === null) {
      sink.blocked = false
      reader.resume()
    }
  }
  const expected = wholeFrames(bytes)
  if (sink.fault !== expected.fault) throw new Error(`ended as ${sink.fault}, not as ${expected.fault}`)
  if (!Buffer.concat(sink.frames).equals(Buffer.concat(expected.frames)) || sink.frames.length !== expected.frames.length) throw new Error('other frames than in the stream')
  if (sink.fault === null && reader.midFrame !== expected.rest) throw new Error('does not know whether a frame is unfinished')
  return sink.fault ?? (expected.rest ? 'unfinished' : 'whole')
}

/** The same by the book [MQTT-2.2.3], on the whole stream at once. */
function wholeFrames (bytes: Buffer): { frames: Buffer[], fault: string | null, rest: boolean } {
  const frames: Buffer[] = []
  for (let at = 0; at < bytes.length;) {
    let length = 0
    let digits = 0
    for (;; digits++) {
      if (digits === 4) return { frames, fault: 'malformed', rest: false }
      const byte = bytes[at + 1 + digits]
      if (byte === undefined) return { frames, fault: null, rest: true }
      length += (byte & 0x7f) * 128 ** digits
      if (byte < 0x80) break
    }
    const end = at + 2 + digits + length
    if (end - at > most) return { frames, fault: 'too-large', rest: false }
    if (end > bytes.length) return { frames, fault: null, rest: true }
    frames.push(bytes.subarray(at, end))
    at = end
  }
  return { frames, fault: null, rest: false }
}
