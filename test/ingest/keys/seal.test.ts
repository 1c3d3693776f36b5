// Sealing: what was sealed comes back, and anything that is not exactly that, in exactly its place, does not open.
import { createSecretKey, randomBytes } from 'node:crypto'
import fc from 'fast-check'
import { test } from 'tap'
import { localKeyService } from '../../../ingest/keys/local-key.ts'
import { keyRing } from '../../../ingest/keys/key-ring.ts'
import { bind, open, seal, sealOverhead } from '../../../ingest/keys/seal.ts'

const key = createSecretKey(randomBytes(32))
const damaged = { code: 'SEALED_DATA_DAMAGED' }

test('whatever is sealed opens in its place, and no bit of box or place may differ', async (t) => {
  const fields = fc.array(fc.option(fc.string()), { maxLength: 6 })
  fc.assert(fc.property(fc.uint8Array({ maxLength: 400 }), fields, fields, fc.nat(), (plain, place, other, at) => {
    const box = seal(key, 1, plain, bind(place))
    if (box.length !== plain.length + sealOverhead || !open(key, box, bind(place)).equals(plain)) return false
    const changed = Buffer.from(box)
    const index = at % box.length
    changed[index] = (changed[index] as number) ^ 1
    const moved = bind(other)
    return opensNot(changed, bind(place)) && (moved.equals(bind(place)) || opensNot(box, moved)) && opensNot(box.subarray(0, -1), bind(place))
  }))
  t.throws(() => open(createSecretKey(randomBytes(32)), seal(key, 1, Buffer.from('x'), bind([])), bind([])), damaged, 'nor with another key')
  t.not(seal(key, 1, Buffer.from('x'), bind([])).toString('hex'), seal(key, 1, Buffer.from('x'), bind([])).toString('hex'), 'the same twice is not the same')
})

function opensNot (box: Buffer, aad: Buffer): boolean {
  try {
    open(key, box, aad)
    return false
  } catch {
    return true
  }
}

test('a wrapped key opens under its own master key and for its own purpose only', async (t) => {
  const [one, two] = [localKeyService(randomBytes(32)), localKeyService(randomBytes(32))]
  const context = { purpose: 'quarantine', tenant: 'a', day: '2026-01-31' } as const
  const dataKey = randomBytes(32)
  const wrapped = await one.wrap(dataKey, context)
  t.same(await one.unwrap(wrapped, context), dataKey)
  t.match(wrapped.master, /^[0-9a-f]{16}$/)
  for (const other of [{ ...context, tenant: 'b' }, { ...context, day: '2026-02-01' }, { purpose: 'digest', tenant: 'a', day: '2026-01-31' } as const]) await t.rejects(one.unwrap(wrapped, other), damaged)
  await t.rejects(two.unwrap(wrapped, context), { code: 'KEY_MASTER_UNKNOWN' })
  t.same(await keyRing(two, [one]).unwrap(wrapped, context), dataKey, 'an old master key behind a new one still opens')
  t.equal((await keyRing(two, [one]).wrap(dataKey, context)).master, await two.id(), 'and wraps no more')
})
