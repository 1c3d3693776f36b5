// The hash of a row is what docs/security/audit.md says, whatever the text, however long, and whatever stands for the hash before.
import { createHash, randomBytes } from 'node:crypto'
import fc from 'fast-check'
import { test } from 'tap'
import { linkHash, linkHex } from '../../../ingest/audit/chain.ts'

function asDocumented (before: Buffer, text: string): string {
  return createHash('sha256').update('pulsegate audit v1\n').update(before).update(text, 'utf8').digest('hex')
}

test('a hash is SHA-256 over tag, hash before and text', async (t) => {
  const before = randomBytes(32)
  const long = fc.tuple(fc.string({ unit: 'binary' }), fc.integer({ min: 0, max: 30_000 })).map(([text, times]) => text.repeat(Math.min(times, 200_000 / (text.length + 1))))
  fc.assert(fc.property(fc.oneof(fc.string({ unit: 'binary' }), long), (text) => linkHex(before.toString('hex'), text) === asDocumented(before, text)))
  t.equal(linkHash(before, 'ü').toString('hex'), asDocumented(before, 'ü'))
  // around where the buffer that is used again ends
  for (let bytes = 65_400; bytes < 65_600; bytes++) t.equal(linkHex(before.toString('hex'), 'a'.repeat(bytes)), asDocumented(before, 'a'.repeat(bytes)))
})

test('nothing of the row before is left when its hash is none', async (t) => {
  linkHex('ab'.repeat(32), 'something that stays in the buffer')
  for (const hex of ['', 'ab', 'ab'.repeat(40)]) t.equal(linkHex(hex, 'x'), asDocumented(Buffer.from(hex, 'hex'), 'x'), `${hex.length / 2} bytes`)
  t.equal(linkHex('no hex', 'x'), asDocumented(Buffer.alloc(0), 'x'))
})
