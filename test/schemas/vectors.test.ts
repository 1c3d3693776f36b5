import { test } from 'tap'
import { decodeMessage } from '../../schemas/decode.ts'
import { decodeReasons } from '../../schemas/reasons.ts'
import { asVector, badVectors, goodVectors } from '../fixtures/vectors.ts'

test('every good vector decodes to what it says', async (t) => {
  for (const { name, kind, hex, message } of goodVectors) {
    const decoded = decodeMessage(kind, Buffer.from(hex, 'hex'))
    if (!decoded.ok) t.fail(`${name}: ${decoded.reason} ${decoded.detail} at ${decoded.offset ?? '?'}`)
    else t.strictSame(asVector(decoded.message), message, name)
  }
})

test('every bad vector is refused for the reason it says', async (t) => {
  for (const { name, kind, hex, reason } of badVectors) {
    const decoded = decodeMessage(kind, Buffer.from(hex, 'hex'))
    t.equal(decoded.ok ? 'accepted' : decoded.reason, reason, name)
  }
})

test('the vectors cover what firmware can get wrong', async (t) => {
  t.ok(goodVectors.length >= 25, 'at least 25 good')
  t.ok(badVectors.length >= 40, 'at least 40 bad')
  const named = new Set(badVectors.map(({ reason }) => reason))
  // too-large is the one reason a vector file should not spell out
  const unproven = Object.keys(decodeReasons).filter((reason) => reason !== 'too-large' && !named.has(reason))
  t.same(unproven, [], 'every reason of the decoder has a vector')
  const names = [...goodVectors, ...badVectors].map(({ name }) => name)
  t.equal(new Set(names).size, names.length, 'names are unique')
})

test('a good vector cut anywhere is refused', async (t) => {
  for (const { name, kind, hex } of goodVectors) {
    const payload = Buffer.from(hex, 'hex')
    const accepted = Array.from(payload.keys()).filter((length) => decodeMessage(kind, payload.subarray(0, length)).ok)
    t.same(accepted, [], name)
  }
})
