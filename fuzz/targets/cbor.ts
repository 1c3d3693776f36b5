// Payloads: bytes through the guard, cbor-x and the validator, compared with an independent decoder. What comes out is the
// message that decoder gives, or a registered reason; the work is bounded by the length of the payload.
import { isDeepStrictEqual } from 'node:util'
import { decode as cborgDecode } from 'cborg'
import { type Random } from '../../simulator/random.ts'
import { decodeMessage } from '../../schemas/decode.ts'
import { Guard, maxPayloadBytes } from '../../schemas/guard.ts'
import { decodeReasons } from '../../schemas/reasons.ts'
import { cborgOptions, messageFrom, type CborMap } from '../../test/fixtures/reference-decoder.ts'
import { badVectors, goodVectors } from '../../test/fixtures/vectors.ts'
import { mutate } from '../mutate.ts'
import { below, chance, pick, type Subject, type Target } from '../target.ts'

const target: Target = {
  seeds: async () => [...goodVectors, ...badVectors].map(({ hex }) => Buffer.from(hex, 'hex')),
  make: (random, known) => chance(random, 0.5) ? mutate(random, pick(random, known), known) : message(random, known),
  open: async () => subject(),
  hangAfterMs: 5_000,
  growthBytes: 128 * 2 ** 20
}
export default target

function subject (): Subject {
  const guard = new Guard()
  const run = (input: Buffer): string => {
    guard.check(input, 0x7ff)
    if (guard.steps > input.length) throw new Error(`${guard.steps} steps for ${input.length} bytes`)
    const outcomes = (['telemetry', 'birth'] as const).map((kind) => {
      const before = Buffer.from(input)
      const decoded = decodeMessage(kind, input)
      if (!before.equals(input)) throw new Error('the payload was written to')
      if (decoded.ok) {
        if (!isDeepStrictEqual(decoded.message, messageFrom(kind, cborgDecode(input, cborgOptions) as CborMap))) throw new Error('decoded to another message than cborg')
        return 'accepted'
      }
      if (!/^[ -~]{1,160}$/.test(decoded.detail)) throw new Error('a detail that cannot be printed')
      return decoded.reason
    })
    return outcomes.includes('accepted') ? 'accepted' : outcomes[0] ?? ''
  }
  return { outcomes: new Set(['accepted', ...Object.keys(decodeReasons)]), run, close: async () => {} }
}

/** A map that looks like a message, with values of every kind, well formed and not. */
function message (random: Random, known: readonly Buffer[]): Buffer {
  const pairs: Buffer[] = []
  for (const key of [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17]) {
    if (chance(random, [0, 2, 3, 5].includes(key) ? 0.97 : 0.3)) pairs.push(Buffer.concat([head(random, 0, key), key === 0 ? Buffer.from([1]) : chance(random, 0.7) ? expected(random, key) : item(random, 3)]))
  }
  if (chance(random, 0.3)) pairs.push(Buffer.concat([item(random, 1), item(random, 6)]))
  const count = chance(random, 0.95) ? pairs.length : below(random, 0, 70_000)
  const bytes = Buffer.concat([head(random, 5, count), ...pairs])
  const result = chance(random, 0.3) ? mutate(random, bytes, known) : bytes
  return result.subarray(0, maxPayloadBytes + 10)
}

/** A head of `major`; now and then wider than it need be. */
function head (random: Random, major: number, argument: number): Buffer {
  const least = argument < 24 ? 0 : argument < 0x100 ? 1 : argument < 0x1_0000 ? 2 : argument < 0x1_0000_0000 ? 3 : 4
  const width = Math.min(4, least + (chance(random, 0.9) ? 0 : below(random, 1, 5)))
  if (width === 0) return Buffer.from([(major << 5) | argument])
  const bytes = Buffer.alloc(9)
  bytes.writeBigUInt64BE(BigInt(argument), 1)
  return Buffer.concat([Buffer.from([(major << 5) | (23 + width)]), bytes.subarray(9 - (1 << (width - 1)))])
}

const integers = [0, 1, 23, 24, 255, 256, 32_767, 32_768, 65_535, 65_536, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 53 - 2, 2 ** 53 - 1]

function integer (random: Random): Buffer {
  return head(random, chance(random, 0.8) ? 0 : 1, chance(random, 0.5) ? below(random, 0, 500) : pick(random, integers))
}

function list (random: Random, items: readonly Buffer[]): Buffer {
  return Buffer.concat([head(random, 4, items.length), ...items])
}

/** What a key of the contract should hold. */
function expected (random: Random, key: number): Buffer {
  const several = (make: () => Buffer) => list(random, Array.from({ length: below(random, 1, 5) }, make))
  if (key === 1) return Buffer.concat([Buffer.from([0x50]), random.bytes(16)])
  if (key === 6) return list(random, [head(random, 0, below(random, 0, 6)), integer(random)])
  if (key === 7) return several(() => list(random, Array.from({ length: below(random, 3, 5) }, () => chance(random, 0.9) ? integer(random) : item(random, 1))))
  if (key === 8) return several(() => list(random, [...Array.from({ length: 5 }, () => integer(random)), wave(random)]))
  if (key >= 12 && key <= 15) return text(random)
  return key === 17 ? several(() => integer(random)) : integer(random)
}

function wave (random: Random): Buffer {
  const bytes = random.bytes(below(random, 0, 40))
  const content = Buffer.concat([head(random, 2, bytes.length), bytes])
  return chance(random, 0.6) ? Buffer.concat([Buffer.from([0xd8, 0x4d]), content]) : list(random, [head(random, 0, below(random, 0, 3)), content])
}

function text (random: Random): Buffer {
  const bytes = chance(random, 0.8) ? Buffer.from('pulse-oximeter é €'.slice(below(random, 0, 18))) : random.bytes(below(random, 0, 20))
  return Buffer.concat([head(random, 3, bytes.length), bytes])
}

/** Anything CBOR can say, and some things it cannot. */
function item (random: Random, depth: number): Buffer {
  const inner = () => item(random, depth - 1)
  switch (below(random, 0, depth > 0 ? 9 : 6)) {
    case 0: return integer(random)
    case 1: return text(random)
    case 2: return wave(random)
    case 3: return Buffer.concat([Buffer.from([pick(random, [0xf9, 0xfa, 0xfb])]), random.bytes(8)])
    case 4: return Buffer.from(pick(random, ['f4', 'f5', 'f6', 'f7', 'e0', 'f820', 'ff', '1c', '9fff', '5f4100ff', 'bfff', 'f97e00', 'fb7ff0000000000000']), 'hex')
    case 5: return Buffer.concat([head(random, below(random, 2, 6), chance(random, 0.5) ? below(random, 0, 100) : pick(random, integers)), random.bytes(below(random, 0, 6))])
    case 6: return list(random, Array.from({ length: below(random, 0, 5) }, inner))
    case 7: return Buffer.concat([head(random, 6, pick(random, [0, 1, 2, 3, 4, 24, 28, 29, 64, 73, 77, 86, 256, 258, 55799, 57343])), inner()])
    default: {
      const pairs = Array.from({ length: below(random, 0, 4) }, () => Buffer.concat([chance(random, 0.9) ? integer(random) : inner(), inner()]))
      return Buffer.concat([head(random, 5, pairs.length), ...pairs])
    }
  }
}
