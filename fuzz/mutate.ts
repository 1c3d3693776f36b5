// Changes to bytes that know nothing of a format: flips, interesting values, pieces dropped, doubled, or taken from another input. A
// target uses them on top of what it knows, so that its inputs are nearly right in many ways.
import { type Random } from '../simulator/random.ts'
import { below, pick } from './target.ts'

const interesting = [0x00, 0x01, 0x7f, 0x80, 0xff, 0x17, 0x18, 0x1b, 0x1f, 0x5f, 0x9f, 0xbf, 0xfb, 0x30, 0x82]

type Mutation = (random: Random, bytes: Buffer, known: readonly Buffer[]) => Buffer

const mutations: readonly Mutation[] = [
  (random, bytes) => changed(bytes, below(random, 0, bytes.length), (byte) => byte ^ (1 << below(random, 0, 8))),
  (random, bytes) => changed(bytes, below(random, 0, bytes.length), () => pick(random, interesting)),
  (random, bytes) => changed(bytes, below(random, 0, bytes.length), (byte) => byte + pick(random, [-1, 1, -16, 16])),
  (random, bytes) => without(bytes, ...range(random, bytes)),
  (random, bytes) => bytes.subarray(0, below(random, 0, bytes.length)),
  (random, bytes) => inserted(bytes, below(random, 0, bytes.length + 1), random.bytes(below(random, 1, 9))),
  (random, bytes) => inserted(bytes, below(random, 0, bytes.length + 1), bytes.subarray(...range(random, bytes))),
  (random, bytes, known) => {
    const other = pick(random, known)
    return other.length === 0 ? bytes : Buffer.concat([bytes.subarray(0, below(random, 0, bytes.length)), other.subarray(below(random, 0, other.length))])
  },
  // a length that claims more or less than there is
  (random, bytes) => {
    const at = below(random, 0, bytes.length)
    return inserted(without(bytes, at, at + 1), at, Buffer.from(pick(random, ['ff', '84ffffffff', '1bffffffffffffffff', '9affffffff', '5a7fffffff', 'ffffff7f']), 'hex'))
  }
]

/** One to six changes; never longer than `most` bytes. */
export function mutate (random: Random, bytes: Buffer, known: readonly Buffer[], most = 70_000): Buffer {
  let result = bytes
  for (let count = below(random, 1, 7); count > 0; count--) {
    result = result.length === 0 ? random.bytes(below(random, 1, 20)) : pick(random, mutations)(random, result, known)
  }
  return Buffer.from(result.subarray(0, most))
}

function range (random: Random, bytes: Buffer): [number, number] {
  const from = below(random, 0, bytes.length)
  return [from, Math.min(bytes.length, from + below(random, 1, 33))]
}

function changed (bytes: Buffer, at: number, change: (byte: number) => number): Buffer {
  const copy = Buffer.from(bytes)
  copy[at] = change(copy[at] ?? 0) & 0xff
  return copy
}

function without (bytes: Buffer, from: number, to: number): Buffer {
  return Buffer.concat([bytes.subarray(0, from), bytes.subarray(to)])
}

function inserted (bytes: Buffer, at: number, more: Buffer): Buffer {
  return Buffer.concat([bytes.subarray(0, at), more, bytes.subarray(at)])
}
