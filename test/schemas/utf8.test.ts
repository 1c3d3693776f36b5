import { isUtf8 } from 'node:buffer'
import fc from 'fast-check'
import { test } from 'tap'
import { isUtf8Range } from '../../schemas/utf8.ts'

const whole = (bytes: Uint8Array): boolean => isUtf8Range(bytes, 0, bytes.length)

test('answers as Node does, for every sequence of two bytes and the edges of longer ones', async (t) => {
  const edges = [0x00, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xc1, 0xc2, 0xdf, 0xe0, 0xed, 0xef, 0xf0, 0xf4, 0xf5, 0xff]
  let different = 0
  const compare = (...bytes: number[]): void => {
    const buffer = Buffer.from(bytes)
    if (whole(buffer) !== isUtf8(buffer)) different++
  }
  for (let first = 0; first < 256; first++) {
    for (let second = 0; second < 256; second++) compare(first, second)
    for (const second of edges) for (const third of edges) for (const fourth of [0x7f, 0x80, 0xbf, 0xc0]) compare(first, second, third, fourth)
  }
  t.equal(different, 0)
})

test('answers as Node does for random text with random damage', async (t) => {
  fc.assert(fc.property(fc.string({ unit: 'binary' }), fc.nat(), fc.nat(255), (text, at, byte) => {
    const bytes = Buffer.from(text)
    if (bytes.length > 0) bytes[at % bytes.length] = byte
    return whole(bytes) === isUtf8(bytes)
  }), { numRuns: 500 })
  t.pass('500 texts')
})

test('looks at its range only', async (t) => {
  const bytes = Buffer.from('ff61c3a9ff', 'hex')
  t.ok(isUtf8Range(bytes, 1, 4))
  t.notOk(isUtf8Range(bytes, 1, 3), 'a character cut by the end of the range')
  t.notOk(isUtf8Range(bytes, 0, 4))
  t.ok(isUtf8Range(bytes, 5, 5), 'nothing is text')
})
