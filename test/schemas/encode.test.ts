import { isDeepStrictEqual } from 'node:util'
import { encode as cborgEncode } from 'cborg'
import fc from 'fast-check'
import { test } from 'tap'
import { decodeMessage } from '../../schemas/decode.ts'
import { encodeBirth, encodeTelemetry } from '../../schemas/encode.ts'
import { type Message } from '../../schemas/telemetry.ts'
import { birthInput, telemetryInput } from '../fixtures/messages.ts'
import { asVector, goodVectors } from '../fixtures/vectors.ts'

const header = { boot: 1n, seq: 0, baseTickMs: 0 }
const sample = { metric: 1, dtMs: 0, value: 1, quality: 0 }

test('what is encoded decodes to the same message, waves in either form', async (t) => {
  fc.assert(fc.property(telemetryInput, fc.constantFrom('int16' as const, 'delta' as const), (input, waves) => {
    const decoded = decodeMessage('telemetry', encodeTelemetry(input, { waves }))
    return isDeepStrictEqual(decoded.ok && decoded.message, { kind: 'telemetry', flags: 0, unknownKeys: 0, ...input })
  }), { numRuns: 500 })
  t.pass('500 messages')
})

test('a birth that is encoded decodes to the same birth', async (t) => {
  fc.assert(fc.property(birthInput, (input) => {
    const decoded = decodeMessage('birth', encodeBirth(input))
    return isDeepStrictEqual(decoded.ok && decoded.message, { kind: 'birth', unknownKeys: 0, ...input })
  }), { numRuns: 300 })
  t.pass('300 births')
})

test('the same message gives the same bytes, and no reading costs more than it must', async (t) => {
  const input = { header, samples: [sample, { ...sample, value: -24, quality: 2 }] }
  t.equal(encodeTelemetry(input).toString('hex'), 'a500010201030005000782830100018401003702')
  t.same(encodeTelemetry(input), encodeTelemetry(structuredClone(input)))
})

test('good vectors in deterministic form are encoded to exactly their bytes', async (t) => {
  let same = 0
  for (const { name, kind, hex } of goodVectors) {
    const payload = Buffer.from(hex, 'hex')
    const decoded = decodeMessage(kind, payload)
    if (decoded.ok && encodings(decoded.message).some((bytes) => bytes.equals(payload))) same++
    else t.comment(`other form: ${name}`)
  }
  t.ok(same >= 25, `${same} of ${goodVectors.length}`)
})

test('integers and lengths are as short as cborg makes them', async (t) => {
  for (let bits = 0; bits <= 53; bits++) {
    for (const seq of [2 ** bits - 1, Math.min(2 ** bits, Number.MAX_SAFE_INTEGER)]) {
      const payload = encodeTelemetry({ header, samples: [{ ...sample, value: -seq }] })
      t.ok(payload.toString('hex').includes(Buffer.from(cborgEncode([1, 0, -seq])).toString('hex')), `-${seq}`)
    }
  }
})

test('what the contract cannot carry is refused before it is sent', async (t) => {
  for (const value of [NaN, Infinity, -Infinity]) {
    t.throws(() => encodeTelemetry({ header, samples: [{ ...sample, value }] }), RangeError)
  }
  t.throws(() => encodeTelemetry({ header, samples: [{ ...sample, metric: 1.5 }] }), RangeError)
  t.throws(() => encodeTelemetry({ header: { ...header, seq: 2 ** 53 } }), RangeError)
  t.throws(() => encodeTelemetry({ header: { ...header, boot: 2n ** 64n } }), RangeError)
  t.throws(() => encodeTelemetry({ header: { ...header, boot: -1n } }), RangeError)
})

test('asVector keeps what JSON cannot', async (t) => {
  const decoded = decodeMessage('telemetry', encodeTelemetry({ header: { ...header, boot: 2n ** 64n - 1n } }))
  t.match(decoded.ok && asVector(decoded.message), { header: { boot: '18446744073709551615' } })
})

function encodings (message: Message): Buffer[] {
  if (message.kind === 'birth') return [encodeBirth(message)]
  return [encodeTelemetry(message), encodeTelemetry(message, { waves: 'delta' })]
}
