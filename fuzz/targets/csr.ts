// Signing requests: PKCS #10 in PEM, changed in its DER's structure and in its text, from the good ones in the corpus. Nobody here holds
// a private key, so a request is accepted only with the very key of a good one: another key would be a proof of possession that was
// forged. Everything else is refused, with the one registered error. `accepted-lax` is what the library takes although it is
// not DER: lengths that reach beyond their parent, or are wider than they need be.
import { createPublicKey, verify, type KeyObject } from 'node:crypto'
import { publicKeyOfRequest } from '../../certs/request.ts'
import { type Random } from '../../simulator/random.ts'
import { PulsegateError } from '../../runtime/errors.ts'
import { readCorpus } from '../corpus.ts'
import { elements, type Element } from '../der.ts'
import { mutate } from '../mutate.ts'
import { below, chance, pick, type Subject, type Target } from '../target.ts'

const target: Target = {
  seeds: async () => [],
  make,
  open: async () => {
    const good = readCorpus('csr').filter(({ input }) => strictKey(input) !== null).map(({ input }) => strictKey(input) ?? '')
    return { outcomes: new Set(['accepted', 'accepted-lax', 'refused']), run: (input) => run(input, new Set(good)), close: async () => {} } satisfies Subject
  },
  hangAfterMs: 5_000,
  growthBytes: 128 * 2 ** 20
}
export default target

async function run (input: Buffer, good: ReadonlySet<string>): Promise<string> {
  try {
    const key = await publicKeyOfRequest(input.toString('latin1'))
    if (key.type !== 'public' || key.asymmetricKeyDetails?.namedCurve !== 'prime256v1') throw new Error('accepted a key that is not on P-256')
    if (!good.has(hexOf(key))) throw new Error('accepted a key of which nobody has shown the private half')
    return strictKey(input) === null ? 'accepted-lax' : 'accepted'
  } catch (error) {
    if (error instanceof PulsegateError && error.code === 'CERTS_REQUEST_REFUSED') return 'refused'
    throw error
  }
}

function hexOf (key: KeyObject): string {
  return key.export({ type: 'spki', format: 'der' }).toString('hex')
}

/** The key of a request that is DER and whose signature holds, looked at with nothing but a reader of DER and node:crypto; else null. */
function strictKey (input: Buffer): string | null {
  const der = derOf(input)
  const [outer] = elements(der, 0, der.length)
  if (outer === undefined || outer.end !== der.length) return null
  const [info, , signature] = elements(der, outer.body, outer.end)
  const spki = info === undefined ? undefined : elements(der, info.body, info.end)[2]
  if (info === undefined || signature === undefined || spki === undefined) return null
  try {
    const key = createPublicKey({ key: der.subarray(spki.start, spki.end), format: 'der', type: 'spki' })
    return verify('sha256', der.subarray(info.start, info.end), key, der.subarray(signature.body + 1, signature.end)) ? hexOf(key) : null
  } catch {
    return null
  }
}

/** The bytes in a PEM text: the first block, as lax as a reader may be. */
function derOf (input: Buffer): Buffer {
  const text = input.toString('latin1')
  const body = /-----BEGIN [^-]*-----([^-]*)-----END/.exec(text)?.[1] ?? text
  return Buffer.from(body, 'base64')
}

function pemOf (der: Buffer): Buffer {
  return Buffer.from(`-----BEGIN CERTIFICATE REQUEST-----\n${der.toString('base64').replace(/.{64}/g, '$&\n')}\n-----END CERTIFICATE REQUEST-----\n`)
}

function make (random: Random, known: readonly Buffer[]): Buffer {
  const input = pick(random, known)
  if (chance(random, 0.15)) return mutate(random, input, known, 40_000)
  const ders = known.map(derOf)
  let der = derOf(input)
  for (let count = below(random, 1, 4); count > 0; count--) der = chance(random, 0.6) ? restructured(random, der, ders) : mutate(random, der, ders, 30_000)
  return pemOf(der.subarray(0, 30_000))
}

/** One element of the tree dropped, doubled, emptied, nested in itself, replaced by one of another request, or with another tag or length. */
function restructured (random: Random, der: Buffer, others: readonly Buffer[]): Buffer {
  const all = tree(der, 0, der.length)
  if (all.length === 0) return mutate(random, der, others)
  const { start, body, end } = pick(random, all)
  const other = pick(random, others)
  const theirs = pick(random, [...tree(other, 0, other.length), { start: 0, body: 0, end: other.length }])
  const own = der.subarray(start, end)
  const instead = [
    () => Buffer.alloc(0),
    () => Buffer.concat([own, own]),
    () => Buffer.from([own[0] ?? 0, 0]),
    () => wrapped(own, 0x30, below(random, 1, 200)),
    () => other.subarray(theirs.start, theirs.end),
    () => Buffer.concat([Buffer.from([pick(random, [0x02, 0x03, 0x04, 0x05, 0x06, 0x0c, 0x30, 0x31, 0xa0, 0x1f, 0xff])]), own.subarray(1)]),
    () => Buffer.concat([own.subarray(0, 1), Buffer.from(pick(random, ['80', '00', '7f', '81ff', '84ffffffff', '820000', '887fffffffffffffff']), 'hex'), der.subarray(body, end)]),
    () => Buffer.concat([own.subarray(0, 1), Buffer.from([0x82, (end - body) >> 8, (end - body) & 0xff]), der.subarray(body, end)])
  ]
  return Buffer.concat([der.subarray(0, start), pick(random, instead)(), der.subarray(end)])
}

function wrapped (inside: Buffer, tag: number, depth: number): Buffer {
  let bytes = inside
  for (let i = 0; i < depth; i++) {
    const length = bytes.length < 128 ? Buffer.from([bytes.length]) : Buffer.from([0x82, bytes.length >> 8, bytes.length & 0xff])
    bytes = Buffer.concat([Buffer.from([tag]), length, bytes])
  }
  return bytes
}

/** Every element at every depth. */
function tree (der: Buffer, from: number, end: number, depth = 0): Element[] {
  return elements(der, from, end).flatMap((element) =>
    [element, ...((der[element.start] ?? 0) & 0x20) !== 0 && depth < 12 ? tree(der, element.body, element.end, depth + 1) : []])
}
