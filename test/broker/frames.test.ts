import fc from 'fast-check'
import { generate } from 'mqtt-packet'
import { test } from 'tap'
import { FrameReader, type FrameSink } from '../../broker/frames.ts'

/** Keeps a copy of each frame; blocks after every `blockEvery`-th. */
class Collector implements FrameSink {
  blocked = false
  maxFrameBytes = 70_000
  blockEvery = Infinity
  readonly frames: Buffer[] = []
  readonly bodies: Buffer[] = []
  fault: string | null = null

  frame (buffer: Buffer, start: number, body: number, end: number): void {
    this.frames.push(Buffer.from(buffer.subarray(start, end)))
    this.bodies.push(Buffer.from(buffer.subarray(body, end)))
    if (this.frames.length % this.blockEvery === 0) this.blocked = true
  }

  broken (fault: 'malformed' | 'too-large'): void {
    this.fault = fault
    this.blocked = true
  }
}

function publish (bytes: number): Buffer {
  return generate({ cmd: 'publish', topic: 'v1/x/telemetry', payload: Buffer.alloc(bytes, bytes % 251), qos: 1, messageId: 9, retain: false, dup: false })
}

function read (chunks: readonly Buffer[], setUp: (sink: Collector) => void = () => {}): Collector {
  const sink = new Collector()
  setUp(sink)
  const reader = new FrameReader(sink)
  for (const chunk of chunks) {
    reader.read(chunk)
    while (sink.blocked && sink.fault === null) {
      sink.blocked = false
      reader.resume()
    }
  }
  return sink
}

test('a frame split at any byte comes out whole, in its place among its neighbours', (t) => {
  const frames = [publish(3), Buffer.from([0xc0, 0]), publish(200), publish(20_000)]
  const stream = Buffer.concat(frames)
  for (let at = 1; at < 260; at++) {
    const sink = read([stream.subarray(0, at), stream.subarray(at)])
    if (!sink.frames.every((frame, i) => frame.equals(frames[i] as Buffer)) || sink.frames.length !== 4) t.fail(`split at ${at}`)
  }
  t.strictSame(read([...stream.subarray(0, 300)].map((byte) => Buffer.from([byte]))).frames, frames.slice(0, 3), 'byte by byte')
  t.end()
})

test('any frames cut into any chunks, with the sink blocking at any frame, come out as they went in', (t) => {
  fc.assert(fc.property(
    fc.array(fc.integer({ min: 0, max: 20_000 }), { minLength: 1, maxLength: 8 }),
    fc.array(fc.integer({ min: 1, max: 9_000 }), { minLength: 1, maxLength: 30 }),
    fc.integer({ min: 1, max: 5 }),
    (sizes, cuts, blockEvery) => {
      const frames = sizes.map(publish)
      const stream = Buffer.concat(frames)
      const chunks: Buffer[] = []
      for (let at = 0, i = 0; at < stream.length; i++) {
        const size = cuts[i % cuts.length] as number
        chunks.push(stream.subarray(at, at + size))
        at += size
      }
      const { frames: out } = read(chunks, (sink) => { sink.blockEvery = blockEvery })
      return out.length === frames.length && out.every((frame, i) => frame.equals(frames[i] as Buffer))
    }
  ), { numRuns: 200 })
  t.end()
})

test('while the sink is blocked nothing comes out, however much goes in', (t) => {
  const sink = new Collector()
  const reader = new FrameReader(sink)
  sink.blocked = true
  reader.read(publish(10))
  reader.read(publish(11))
  t.equal(sink.frames.length, 0)
  t.ok(reader.midFrame)
  sink.blocked = false
  reader.resume()
  t.strictSame(sink.frames, [publish(10), publish(11)])
  t.notOk(reader.midFrame)
  t.end()
})

test('a frame over the cap is refused at its header, whole or byte by byte, also behind a good one [C7]', (t) => {
  const header = Buffer.from([0x30, 0xff, 0xff, 0xff, 0x7f]) // 256 MB
  t.equal(read([header]).fault, 'too-large')
  t.equal(read([...header].map((byte) => Buffer.from([byte]))).fault, 'too-large')
  const behind = read([Buffer.concat([publish(5), header])])
  t.equal(behind.fault, 'too-large')
  t.equal(behind.frames.length, 1)
  t.equal(read([publish(5)], (sink) => { sink.maxFrameBytes = publish(5).length }).fault, null, 'the cap itself is allowed')
  t.equal(read([publish(6)], (sink) => { sink.maxFrameBytes = publish(5).length }).fault, 'too-large')
  t.end()
})

test('a length of five bytes is malformed [C7]', (t) => {
  const header = Buffer.from([0x30, 0xff, 0xff, 0xff, 0xff, 0x01])
  t.equal(read([header]).fault, 'malformed')
  t.equal(read([...header].map((byte) => Buffer.from([byte]))).fault, 'malformed')
  t.end()
})

test('an unfinished frame holds what has come, not what its header claims [C7]', (t) => {
  const sink = new Collector()
  sink.maxFrameBytes = 300 * 1024 * 1024
  const before = process.memoryUsage().arrayBuffers
  const readers = Array.from({ length: 100 }, () => new FrameReader(sink))
  for (const reader of readers) reader.read(Buffer.from([0x30, 0xff, 0xff, 0xff, 0x7f, 1, 2, 3]))
  t.ok(process.memoryUsage().arrayBuffers - before < 1024 * 1024)
  t.ok(readers.every((reader) => reader.midFrame))
  t.end()
})
