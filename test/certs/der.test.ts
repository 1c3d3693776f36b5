import { test } from 'tap'
import { bitString, explicit, integer, sequence, time } from '../../certs/der.ts'

test('lengths take the shortest form, as DER demands', async (t) => {
  const header = (length: number): string => sequence(Buffer.alloc(length)).subarray(0, -length).toString('hex')
  t.equal(sequence().toString('hex'), '3000')
  t.equal(header(127), '307f')
  t.equal(header(128), '308180')
  t.equal(header(255), '3081ff')
  t.equal(header(256), '30820100')
  t.equal(header(65_536), '3083010000')
})

test('parts are framed with the tags of X.690', async (t) => {
  t.equal(integer(Buffer.of(2)).toString('hex'), '020102')
  t.equal(explicit(0, integer(Buffer.of(2))).toString('hex'), 'a003020102')
  t.equal(explicit(3, sequence()).toString('hex'), 'a3023000')
  t.equal(bitString(Buffer.of(0xff)).toString('hex'), '030200ff')
})

test('times are UTCTime through 2049 and GeneralizedTime after, without fractions', async (t) => {
  t.same(time(new Date('2026-03-04T05:06:07.890Z')), Buffer.from('\x17\x0d260304050607Z', 'latin1'))
  t.same(time(new Date('2049-12-31T23:59:59Z')), Buffer.from('\x17\x0d491231235959Z', 'latin1'))
  t.same(time(new Date('2050-01-01T00:00:00Z')), Buffer.from('\x18\x0f20500101000000Z', 'latin1'))
})
