// What brokers write to each other is read back as it was; anything else is nothing, and never an error.
import fc from 'fast-check'
import { test } from 'tap'
import { type BusMessage, decodeBusMessage, encodeBusMessage, maxEntries, maxUses } from '../../../queue/redis/bus-messages.ts'

const id = '0b4e1f6a-6c1a-4d5c-9a54-2f1de7a2c101'
const begun: BusMessage = { from: 'b-1', type: 'begun', sessions: [{ id, sinceMs: 1_763_000_000_000 }] }

test('what was written is read back', (t) => {
  const from = fc.uuid()
  const sessions = fc.array(fc.record({ id: fc.uuid(), sinceMs: fc.integer({ min: 0, max: 1e14 }) }), { maxLength: maxEntries })
  const serials = fc.array(fc.stringMatching(/^[0-9A-F]{1,40}$/), { maxLength: maxEntries })
  const time = fc.integer({ min: 0, max: 1e14 })
  const use = fc.record({ id: fc.uuid(), serial: fc.stringMatching(/^[0-9A-F]{1,40}$/), notBeforeMs: time, expiresAtMs: time, address: fc.oneof(fc.ipV4(), fc.ipV6()) })
  const used = fc.record({ from, type: fc.constant('used' as const), uses: fc.array(use, { maxLength: maxUses }) })
  const message = fc.oneof(used, fc.record({ from, type: fc.constant('begun' as const), sessions }), fc.record({ from, type: fc.constant('revoked' as const), serials }))
  fc.assert(fc.property(message, (given) => {
    return JSON.stringify(decodeBusMessage(encodeBusMessage(given))) === JSON.stringify(given)
  }), { numRuns: 200 })
  t.end()
})

test('the largest message is below the bound of the reader', (t) => {
  const sessions = Array.from({ length: maxEntries }, () => ({ id, sinceMs: 1e14 }))
  t.ok(decodeBusMessage(encodeBusMessage({ from: 'b'.repeat(100), type: 'begun', sessions })))
  t.ok(decodeBusMessage(encodeBusMessage({ from: 'b'.repeat(100), type: 'revoked', serials: Array.from({ length: maxEntries }, () => 'F'.repeat(64)) })))
  const use = { id, serial: 'F'.repeat(64), notBeforeMs: 1e14, expiresAtMs: 1e14, address: 'ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255' }
  t.ok(decodeBusMessage(encodeBusMessage({ from: 'b'.repeat(100), type: 'used', uses: Array.from({ length: maxUses }, () => use) })))
  t.end()
})

test('a message of another version or shape is nothing', (t) => {
  const good = JSON.parse(encodeBusMessage(begun)) as Record<string, unknown>
  t.ok(decodeBusMessage(JSON.stringify(good)))
  const bad: unknown[] = [
    null, 1, 'begun', [], {}, { ...good, v: 2 }, { ...good, v: '1' }, { ...good, from: '' }, { ...good, from: 7 }, { ...good, from: 'a b' }, { ...good, type: 'hello' },
    { ...good, type: 'revoked' }, { ...good, sessions: {} }, { ...good, sessions: [[id]] }, { ...good, sessions: [[id.toUpperCase(), 1]] }, { ...good, sessions: [[id, '1']] },
    { ...good, sessions: [[id, -1]] }, { ...good, sessions: [[id, 1.5]] }, { ...good, sessions: [[id, 1e15]] }, { ...good, sessions: Array.from({ length: maxEntries + 1 }, () => [id, 1]) },
    { v: 1, from: 'b', type: 'revoked', serials: ['xyz'] }, { v: 1, from: 'b', type: 'revoked', serials: [''] }, { v: 1, from: 'b', type: 'revoked', serials: ['F'.repeat(65)] },
    { v: 1, from: 'b', type: 'used' }, ...[[], [id, 'AB', 1, 1], [id, 'ab', 1, 1, '::1'], [id, 'AB', -1, 1, '::1'], [id, 'AB', 1, '1', '::1'], [id, 'AB', 1, 1, 'ward'], ['x', 'AB', 1, 1, '::1']].map((use) => ({ v: 1, from: 'b', type: 'used', uses: [use] }))
  ]
  for (const value of bad) t.equal(decodeBusMessage(JSON.stringify(value)), null, JSON.stringify(value)?.slice(0, 60))
  t.equal(decodeBusMessage('{'), null)
  t.equal(decodeBusMessage(`${JSON.stringify(good)}${' '.repeat(70_000)}`), null, 'too long to look at')
  fc.assert(fc.property(fc.jsonValue(), (value) => { decodeBusMessage(JSON.stringify(value)) }))
  t.end()
})
