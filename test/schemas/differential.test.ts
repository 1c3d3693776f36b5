// Our decoder against cborg, an independent one: what we accept, cborg accepts with the same value. cborg's `strict`
// also refuses integers wider than they need be, which real encoders send and the contract allows; it is on for what
// our encoder makes, and off for the rest.
import { isDeepStrictEqual } from 'node:util'
import { decode as cborgDecode } from 'cborg'
import fc from 'fast-check'
import { test } from 'tap'
import { decodeMessage, type MessageKind } from '../../schemas/decode.ts'
import { encodeBirth, encodeTelemetry } from '../../schemas/encode.ts'
import { decodeReasons } from '../../schemas/reasons.ts'
import { type Message } from '../../schemas/telemetry.ts'
import { cborItem } from '../fixtures/cbor.ts'
import { birthInput, telemetryInput } from '../fixtures/messages.ts'
import { cborgOptions, messageFrom, type CborMap } from '../fixtures/reference-decoder.ts'
import { badVectors, goodVectors } from '../fixtures/vectors.ts'

const runs = 2000

interface Tally { accepted: number, refused: number }

/** Throws unless our answer is one we may give: the message cborg gives, or a registered reason. */
function compare (kind: MessageKind, payload: Uint8Array, tally: Tally, strict = false): void {
  const decoded = decodeMessage(kind, payload)
  if (!decoded.ok) {
    tally.refused++
    if (!(decoded.reason in decodeReasons)) throw new Error(`an unregistered reason: ${String(decoded.reason)}`)
    if (!/^[ -~]{1,160}$/.test(decoded.detail)) throw new Error(`no detail to print: ${decoded.detail}`)
    return
  }
  tally.accepted++
  const reference: Message = messageFrom(kind, cborgDecode(payload, { ...cborgOptions, strict }) as CborMap)
  if (!isDeepStrictEqual(decoded.message, reference)) throw new Error('decoded to another message than cborg')
}

const kinds = fc.constantFrom<MessageKind>('telemetry', 'birth')
const encoded = fc.oneof(
  telemetryInput.map((input) => encodeTelemetry(input)),
  telemetryInput.map((input) => encodeTelemetry(input, { waves: 'delta' })),
  birthInput.map((input) => encodeBirth(input))
)
const known = fc.oneof(
  { weight: 3, arbitrary: encoded },
  { weight: 2, arbitrary: fc.constantFrom(...[...goodVectors, ...badVectors].map(({ hex }) => Buffer.from(hex, 'hex'))) }
)

const at = fc.nat(1_000_000) // of the length
const edit = fc.oneof(
  // one byte for another: the length stays, so the message often does
  { weight: 3, arbitrary: fc.record({ at, dropped: fc.constant(1), added: fc.uint8Array({ minLength: 1, maxLength: 1 }) }) },
  { weight: 1, arbitrary: fc.record({ at, dropped: fc.nat(3), added: fc.uint8Array({ maxLength: 3 }) }) }
)
const mutated = fc.tuple(known, fc.array(edit, { minLength: 1, maxLength: 3 })).map(([payload, edits]) =>
  edits.reduce((bytes, { at, dropped, added }) => {
    const index = Math.floor(at / 1_000_001 * bytes.length)
    return Buffer.concat([bytes.subarray(0, index), added, bytes.subarray(index + dropped)])
  }, payload))

test('what our encoder makes, cborg reads in strict mode', async (t) => {
  const tally = { accepted: 0, refused: 0 }
  fc.assert(fc.property(kinds, encoded, (kind, payload) => { compare(kind, payload, tally, true) }), { numRuns: 500 })
  t.ok(tally.accepted > 100, JSON.stringify(tally))
})

test('the vectors, read by both', async (t) => {
  const tally = { accepted: 0, refused: 0 }
  for (const { kind, hex } of [...goodVectors, ...badVectors]) compare(kind, Buffer.from(hex, 'hex'), tally)
  t.same(tally, { accepted: goodVectors.length, refused: badVectors.length })
})

test('mutated messages', async (t) => {
  const tally = { accepted: 0, refused: 0 }
  fc.assert(fc.property(kinds, mutated, (kind, payload) => { compare(kind, payload, tally) }), { numRuns: runs })
  t.ok(tally.accepted > runs / 100 && tally.refused > runs / 10, JSON.stringify(tally))
})

test('messages put together from random items, legal and not', async (t) => {
  const tally = { accepted: 0, refused: 0 }
  fc.assert(fc.property(kinds, cborItem, (kind, payload) => { compare(kind, payload, tally) }), { numRuns: runs })
  t.ok(tally.accepted > 0 && tally.refused > runs / 10, JSON.stringify(tally))
})

test('random bytes', async (t) => {
  const tally = { accepted: 0, refused: 0 }
  fc.assert(fc.property(kinds, fc.uint8Array({ maxLength: 64 }), (kind, payload) => { compare(kind, payload, tally) }), { numRuns: runs })
  t.ok(tally.refused > runs / 2)
})

test('a message keeps nothing of the payload it came from', async (t) => {
  fc.assert(fc.property(encoded, fc.constantFrom(...goodVectors), (payload, other) => {
    const copy = Buffer.from(payload)
    const kind = decodeMessage('telemetry', copy).ok ? 'telemetry' : 'birth'
    const decoded = decodeMessage(kind, copy)
    copy.fill(0xff)
    decodeMessage(other.kind, Buffer.from(other.hex, 'hex'))
    return isDeepStrictEqual(decoded, decodeMessage(kind, payload))
  }), { numRuns: 300 })
  t.pass('300 messages')
})
