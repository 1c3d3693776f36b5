import fc from 'fast-check'
import { test } from 'tap'
import { decodeDelta, encodeDelta } from '../../schemas/delta.ts'

test('what is encoded is decoded', async (t) => {
  fc.assert(fc.property(fc.int16Array({ maxLength: 500 }), (values) => {
    const decoded = decodeDelta(encodeDelta(values))
    return decoded !== null && Buffer.from(decoded.buffer).equals(Buffer.from(values.buffer, values.byteOffset, values.byteLength))
  }))
  t.pass('100 waves')
})

test('a quiet wave costs one byte a value', async (t) => {
  const values = Int16Array.from({ length: 250 }, (_, index) => Math.round(40 * Math.sin(index / 10)))
  t.equal(encodeDelta(values).length, 250)
})

test('anything is either values or null, and never throws', async (t) => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
    const values = decodeDelta(bytes)
    return values === null || values.length === bytes.filter((byte) => byte < 0x80).length
  }), { numRuns: 1000 })
  t.same(decodeDelta(Buffer.alloc(0)), new Int16Array(0))
  t.equal(decodeDelta(Buffer.from('80', 'hex')), null, 'ends inside a varint')
  t.equal(decodeDelta(Buffer.from('80808000', 'hex')), null, 'a varint of four bytes')
  t.equal(decodeDelta(Buffer.from('ffff03ffff03', 'hex')), null, 'below 16 bits')
  t.strictSame(decodeDelta(Buffer.from('8000', 'hex')), Int16Array.of(0), 'a wide zero')
})
