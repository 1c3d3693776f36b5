// The quick look at the source agrees with the decoder on every message the decoder accepts, and finds nothing harmful to do with others.
import fc from 'fast-check'
import { test } from 'tap'
import { peekSource } from '../../schemas/peek-source.ts'

const id = Buffer.from('6f1d2c3e0b1a4c5d8e9fa0b1c2d3e4f5', 'hex')
const hex = (text: string): Uint8Array | null => peekSource(Buffer.from(text.replaceAll(' ', ''), 'hex'))
const key1 = `01 50 ${id.toString('hex')}`

test('the source is found wherever it stands in the map', (t) => {
  t.strictSame(hex(`a3 00 01 ${key1} 02 07`), id)
  t.strictSame(hex(`a3 02 07 00 01 ${key1}`), id, 'another order')
  t.strictSame(hex(`a2 07 83 01 a1 02 42 ffff d8 4d 41 00 ${key1}`), id, 'behind nested items')
  t.strictSame(hex(`b8 02 1b 0000000000000000 01 1b 0000000000000001 50 ${id.toString('hex')}`), id, 'eight-byte heads')
  t.equal(hex('a2 00 01 02 07'), null, 'none')
  t.equal(hex(`a1 01 4f ${id.toString('hex')}`), null, '15 bytes')
  t.equal(hex('a1 01 50 6f1d'), null, 'cut short')
  t.equal(hex(`82 ${key1}`), null, 'not a map')
  t.equal(hex(''), null)
  t.end()
})

test('no bytes make it throw or run long', (t) => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
    const found = peekSource(bytes)
    return found === null || found.length === 16
  }), { numRuns: 2_000 })
  t.equal(peekSource(Buffer.concat([Buffer.from([0xa1, 0x00]), Buffer.alloc(60_000, 0x81)])), null, 'nesting')
  t.equal(peekSource(Buffer.concat([Buffer.from([0xa2, 0x00, 0x9b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]), Buffer.alloc(60_000)])), null, 'a huge count')
  t.end()
})
