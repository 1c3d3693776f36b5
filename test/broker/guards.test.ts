// The small pure parts of the guard: storms, addresses, penalties, what flaps, what is a clone.
import { test } from 'tap'
import { addressKey, plainAddress } from '../../runtime/address.ts'
import { Addresses } from '../../broker/addresses.ts'
import { acceptedEvent, mergeEvents, refusalEvent } from '../../broker/audit-events.ts'
import { Clones } from '../../broker/clones.ts'
import { Flapping, weight } from '../../broker/flapping.ts'
import { defaultLimits } from '../../broker/limits.ts'
import { Penalty } from '../../broker/penalty.ts'
import { refusals, type RefusalReason } from '../../broker/refusals.ts'
import { Storm } from '../../broker/storm.ts'

const dayMs = 86_400_000

test('a storm of one kind is told as a few and a count; other kinds are not held up by it [C22]', (t) => {
  const storm = new Storm<string[]>(5_000, (a, b) => [...a, ...b])
  const told = Array.from({ length: 100 }, (_, i) => storm.take('x', [`${i}`], 3, 1_000 + i)).filter(Boolean).length
  t.equal(told, 3)
  t.ok(storm.take('y', ['y'], 3, 1_050))
  t.strictSame(storm.due(5_000), [], 'gathered for less than five seconds')
  const [fold, ...rest] = storm.due(6_100)
  t.strictSame(rest, [])
  t.match(fold, { count: 97, firstMs: 1_003, lastMs: 1_099 })
  t.equal(fold?.event.length, 97, 'each is in it once')
  t.strictSame(storm.due(20_000), [], 'and it is told once')
  t.ok(storm.take('x', ['later'], 3, 7_000), 'a new second tells again')
  t.notOk(storm.take('z', ['never one by one'], 0, 7_000))
  t.equal(storm.due(7_001, true)[0]?.count, 1, 'all: at the end')
  t.end()
})

test('an audit event says who, from where, with what and why; a folded one what all have in common', (t) => {
  const party = { device: 'a', address: '10.0.0.1', serial: '0F', issuer: 'CN=ours' }
  t.match(acceptedEvent(party), { type: 'connection', subtype: 'accepted', outcome: 'success', agent: { id: 'a', role: 'device', address: '10.0.0.1', certificateSerial: '0F', certificateIssuer: 'CN=ours' } })
  t.match(refusalEvent('certificate-revoked', { ...party, claimed: true }), { type: 'connection', subtype: 'refused', reason: 'certificate-revoked', outcome: 'minor-failure', detail: { stage: 'handshake', claimed: true } })
  t.match(refusalEvent('certificate-revoked', { ...party, session: true }), { type: 'connection', subtype: 'ended' })
  t.match(refusalEvent('topic-foreign', party), { type: 'authorization', subtype: 'denied' })
  t.match(refusalEvent('subscribe-foreign', party), { type: 'authorization', subtype: 'denied' })
  t.match(refusalEvent('malformed-publish', party), { type: 'connection', subtype: 'ended' })
  t.match(refusalEvent('not-stored', party), { type: 'connection', subtype: 'ended', outcome: 'serious-failure' })
  t.match(refusalEvent('displaced', party), { type: 'connection', subtype: 'ended', outcome: 'success' })
  t.match(refusalEvent('no-certificate', {}), { agent: { id: 'unknown' } })
  const a = refusalEvent('will', party)
  t.strictSame(mergeEvents(a, refusalEvent('will', party)).agent, a.agent)
  t.strictSame(mergeEvents(a, refusalEvent('will', { ...party, serial: '10' })).agent, { id: 'a', role: 'device', address: '10.0.0.1' })
  t.strictSame(mergeEvents(a, refusalEvent('will', { device: 'b', address: '10.0.0.2' })).agent, { id: 'several', role: 'device' })
  t.end()
})

test('one address: IPv4 however it is written, IPv6 by its /64', (t) => {
  t.equal(addressKey('10.0.0.1'), '10.0.0.1')
  t.equal(addressKey('::ffff:10.0.0.1'), '10.0.0.1')
  t.equal(addressKey('2001:db8:1:2:3:4:5:6'), '2001:db8:1:2::/64')
  t.equal(addressKey('2001:0DB8:1:2::9'), '2001:db8:1:2::/64')
  t.equal(addressKey('2001:db8::9'), '2001:db8:0:0::/64')
  t.equal(addressKey('::1'), '0:0:0:0::/64')
  t.equal(addressKey('fe80::1%eth0'), 'fe80:0:0:0::/64')
  t.equal(addressKey('64:ff9b::10.0.0.1'), '64:ff9b:0:0::/64')
  t.not(addressKey('2001:db8:1:3::9'), addressKey('2001:db8:1:2::9'))
  t.equal(plainAddress('::ffff:10.0.0.1'), '10.0.0.1')
  t.equal(plainAddress('2001:db8::9'), '2001:db8::9')
  t.end()
})

test('penalties leak away, bans grow to a cap and are forgotten', (t) => {
  const rules = { limit: 10, windowMs: 60_000, firstBanMs: 1_000, maxBanMs: 3_000 }
  const slow = new Penalty()
  for (let i = 0; i < 1_000; i++) if (slow.add(1, rules, i * 6_001) > 0) t.fail('one point in six seconds leaks away')
  const fast = new Penalty()
  let now = 0
  const ban = (): number => {
    for (let i = 0; i < 100; i++) {
      const ms = fast.add(1, rules, now)
      if (ms > 0) return ms
    }
    return 0
  }
  t.equal(ban(), 1_000)
  t.ok(fast.banned(999))
  t.equal(fast.add(5, rules, 500), 0, 'nothing is added during a ban')
  now = 1_000
  t.notOk(fast.banned(now))
  t.equal(ban(), 2_000)
  now = 3_000
  t.equal(ban(), 3_000, 'the cap')
  now = 6_000
  t.equal(ban(), 3_000)
  now = 6_000 + 3_000 + 9_001
  t.equal(ban(), 1_000, 'after a long quiet it is a first one again')
  t.equal(new Penalty().add(1_000, { ...rules, limit: 0 }, 0), 0, 'a limit of 0 bans nobody')
  t.end()
})

test('only what a device is to blame for counts against it', (t) => {
  const at = (reason: RefusalReason | null, lastedMs = 100, contested = false) => weight({ reason, lastedMs, contested })
  for (const reason of Object.keys(refusals) as RefusalReason[]) {
    const blamed = refusals[reason].stage === 'publish' ? reason !== 'not-stored' : ['not-connect', 'protocol-version', 'client-id', 'keepalive-out-of-range', 'will', 'malformed', 'frame-too-large', 'second-connect', 'unexpected-packet'].includes(reason)
    t.equal(at(reason) === 1, blamed, reason)
  }
  t.equal(at('displaced', 100, true), 0.5, 'taken over by a clone')
  t.equal(at('displaced'), 0, 'its own new connection')
  t.ok(at(null) > 0 && at(null) <= 0.1, 'short sessions weigh lightly')
  t.equal(at(null, 60_000), 0)
  // a storm of reconnects after an outage: twenty short sessions in a minute, over and over
  const flapping = new Flapping(defaultLimits)
  for (let i = 0; i < 1_000; i++) if (flapping.ended({ id: 'a', serial: '01' }, { reason: null, lastedMs: 100, contested: false }, i * 3_000) > 0) t.fail('banned')
  t.equal(flapping.count(0), 0)
  const [old, young] = [{ id: 'b', serial: '01' }, { id: 'b', serial: '02' }]
  for (let i = 0; i < 11; i++) flapping.ended(old, { reason: 'qos2', lastedMs: 100, contested: false }, i)
  t.ok(flapping.banned(old, 10))
  t.notOk(flapping.banned(young, 10), 'another certificate of the device is not to blame')
  t.equal(flapping.count(10), 1)
  t.ok(flapping.pardon('b', 10))
  t.notOk(flapping.banned(old, 10))
  t.notOk(flapping.pardon('b', 10))
  t.equal(flapping.count(10), 0)
  for (let c = 0; c < 100; c++) for (let i = 0; i < 11; i++) flapping.ended({ id: 'b', serial: `${c}` }, { reason: 'qos2', lastedMs: 100, contested: false }, i)
  t.strictSame([0, 83, 84, 99].map((c) => flapping.banned({ id: 'b', serial: `${c}` }, 10)), [false, false, true, true], 'bounded')
  t.end()
})

test('failures are forgiven to an address by the devices that are in, and its handshakes slowed instead', (t) => {
  const addresses = new Addresses<never>({ ...defaultLimits, authenticationFailures: 10 })
  const lone = addresses.enter('10.0.0.1')
  const ward = addresses.enter('10.0.0.2')
  ward.sessions = 100
  for (let i = 0; i < 10; i++) t.equal(addresses.failed('10.0.0.1', i), 0)
  t.ok(addresses.failed('10.0.0.1', 9) > 0)
  for (let i = 0; i < 200; i++) t.equal(addresses.failed('10.0.0.2', 0), 0)
  t.equal(addresses.banned(10), 1)
  t.ok(lone.penalty.banned(10))
  const taken = (perSecond: number, nowMs: number) => { let n = 0; while (n < 10_000 && ward.take(perSecond, nowMs)) n++; return n }
  t.equal(taken(500, 1_000), 2_000, 'four seconds\' worth at once')
  t.equal(taken(500, 2_000), 500)
  while (addresses.failed('10.0.0.2', 2_000) === 0);
  t.equal(taken(500, 3_000), 50, 'banned, but in use: a tenth')
  for (let i = 0; i < 20; i++) ward.began(3_000)
  t.equal(taken(500, 3_000), 20, 'what came in costs nothing, only what fails')
  for (let i = 0; i < 120; i++) ward.ended(4_000)
  t.equal(ward.sessions, 0)
  t.notOk(ward.shut(5_000), 'the line of the ward is cut: slowed still, not shut')
  t.ok(lone.shut(5_000))
  while (addresses.failed('10.0.0.2', 7_200_000) === 0);
  t.ok(ward.shut(7_200_000), 'after an hour without a device it is as any other')
  addresses.leave(lone)
  t.ok(addresses.get('::ffff:10.0.0.1')?.penalty.banned(20), 'remembered after its last connection')
  t.equal(addresses.failed('10.9.9.9', 0), 0, 'never seen')
  for (let i = 0; i < 20_000; i++) addresses.leave(addresses.enter(`10.1.${i >> 8}.${i & 255}`))
  t.equal(addresses.get('10.0.0.1'), undefined, 'bounded: the least recently seen is forgotten')
  t.ok(addresses.get('10.0.0.2'), 'one that is connected is not')
  t.end()
})

test('a renewal is no clone, and neither is a device that moves; a copy is [C22]', (t) => {
  const revoked = new Set<string>()
  const certificate = (serial: string, notBeforeMs: number) => ({ id: 'a', serial, issuer: 'x', issuedBy: 'y', notBeforeMs, expiresAtMs: 100 * dayMs })
  const [old, young] = [certificate('01', dayMs), certificate('02', 2 * dayMs)]
  const fresh = () => new Clones(7 * dayMs, (serial) => revoked.has(serial))
  const renewed = fresh()
  t.equal(renewed.accepted(old, '10.0.0.1', 0), null)
  t.equal(renewed.accepted(young, '10.0.0.1', 1_000), null, 'the newer takes over')
  t.equal(renewed.accepted(young, '10.0.0.2', 2_000), null, 'and moves')
  t.match(renewed.accepted(old, '10.0.0.9', 3_000), { sign: 'older-certificate', otherSerial: '02', otherAddress: '10.0.0.2' })
  t.equal(renewed.accepted(young, '10.0.0.2', 4_000), null, 'the newer is the good one')
  t.equal(renewed.accepted(old, '10.0.0.9', 5_000), null, 'told once in ten minutes')
  t.ok(renewed.contested(old, 5_000))
  t.notOk(renewed.contested(young, 5_000), 'the older one is to blame')
  t.ok(renewed.contested(certificate('03', dayMs), 5_000), 'or one as old')
  t.match(renewed.accepted(old, '10.0.0.9', 700_000), { sign: 'older-certificate' })
  t.ok(renewed.superseded(old, 800_000))
  t.notOk(renewed.superseded(young, 800_000))
  revoked.add('02')
  t.notOk(renewed.superseded(old, 800_000), 'a newer one that is revoked supersedes nothing')
  revoked.clear()
  t.notOk(renewed.superseded(old, 8 * dayMs), 'nor one that has not been seen for long')
  const twins = fresh()
  for (const serial of ['03', '04']) t.equal(twins.accepted(certificate(serial, dayMs), '10.0.0.1', 0), null)
  t.match(twins.accepted(certificate('03', dayMs), '10.0.0.1', 1), { sign: 'alternating-certificates', otherSerial: '04' })
  const roaming = fresh()
  for (let i = 0; i < 50; i++) t.equal(roaming.accepted(old, `10.0.0.${i % 2}`, i * 60_000), null, 'back and forth, but over no live session')
  const copied = fresh()
  const signs = Array.from({ length: 8 }, (_, i) => {
    copied.displaced('a', i * 10_000)
    return copied.accepted(old, `10.0.0.${i % 2}`, i * 10_000)?.sign
  })
  t.strictSame(signs.filter((sign) => sign !== undefined), ['alternating-addresses'])
  const contested = fresh()
  const fights = Array.from({ length: 10 }, (_, i) => {
    contested.displaced('a', i * 1_000)
    return contested.accepted(old, '10.0.0.1', i * 1_000)?.sign
  })
  t.strictSame(fights.filter((sign) => sign !== undefined), ['contested'], 'both behind one address')
  t.end()
})
