// The small pure parts: latency histogram, shared budget, what the clock demands, CONNECT judged by itself.
import { test } from 'tap'
import { Budget } from '../../broker/budget.ts'
import { connackCode, helloFault, type Hello } from '../../broker/hello.ts'
import { lateness, type Clocked } from '../../broker/lateness.ts'
import { LatencyHistogram } from '../../broker/latency.ts'
import { defaultLimits } from '../../broker/limits.ts'
import { handshakeReason } from '../../broker/listener.ts'
import { stop } from '../../broker/stops.ts'

test('quantiles of latency are right to an eighth, over six orders of magnitude', (t) => {
  const histogram = new LatencyHistogram()
  t.equal(histogram.quantileMs(0.5), null)
  for (let us = 1; us <= 1_000_000; us = Math.ceil(us * 1.01)) {
    const one = new LatencyHistogram()
    one.add(us)
    const ms = one.quantileMs(0.5) as number
    if (ms * 1_000 < us || ms * 1_000 > us * 1.125) t.fail(`${us} us came out as ${ms} ms`)
  }
  for (let i = 0; i < 98; i++) histogram.add(1_000)
  histogram.add(50_000)
  histogram.add(-1) // a 32-bit clock that came round: the longest there is
  t.ok((histogram.quantileMs(0.5) as number) < 1.2)
  t.ok((histogram.quantileMs(0.99) as number) >= 50)
  t.ok((histogram.quantileMs(1) as number) > 1_000_000)
  t.equal(histogram.count, 100)
  t.end()
})

test('a spent budget resumes its waiters first come, first served, one round at a time', (t) => {
  const budget = new Budget(8, 1_000)
  const order: string[] = []
  const waiter = (name: string, takes: number) => ({
    budgetFree: () => {
      order.push(name)
      budget.messages += takes
    }
  })
  budget.messages = 8
  t.ok(budget.spent)
  for (const [name, takes] of [['a', 3], ['b', 4], ['c', 1]] as const) budget.wait(waiter(name, takes))
  budget.share()
  t.strictSame(order, [], 'no room, nobody')
  budget.messages = 0
  budget.share()
  t.strictSame(order, ['a', 'b'], 'c waits: seven of eight are taken')
  t.equal(budget.waiting, 1)
  budget.bytes = 1_000
  t.ok(budget.spent, 'bytes bind too')
  t.end()
})

test('what the clock demands of a connection', (t) => {
  const connection = (more: Omit<Partial<Clocked>, 'since'> & { since?: Partial<Clocked['since']> }): Clocked => ({
    stage: 'connected', stops: 0, keepaliveMs: 10_000, silenceMs: 15_000, identity: { expiresAtMs: Infinity }, ...more, since: { accepted: 0, heard: 0, writeStopped: 0, spoke: 0, farewell: 0, closed: 0, ...more.since }
  })
  const at = (ms: number, more: Parameters<typeof connection>[0]) => lateness(connection(more), defaultLimits, ms, ms)
  t.equal(at(15_000, {}), null, 'the whole of one and a half keepalives')
  t.equal(at(15_001, {}), 'keepalive-timeout')
  t.equal(at(1_000_000, { stops: stop.room, since: { spoke: 999_999 } }), null, 'not while we do not read')
  t.equal(at(5_001, { stops: stop.budget }), 'ping', 'half a keepalive without reading: answer ahead')
  t.equal(at(5_001, { stops: stop.budget, keepaliveMs: 0 }), null, 'nobody waits for an answer')
  t.equal(at(10_001, { stage: 'connecting' }), 'connect-timeout')
  t.equal(at(10_001, { stage: 'greeting' }), 'connect-timeout')
  t.equal(at(30_001, { stops: stop.write }), 'write-stalled')
  t.equal(at(29_000, { stops: stop.write | stop.room }), null, 'no answer ahead for one who does not read')
  t.equal(at(30_001, { stops: stop.farewell }), 'leave')
  t.equal(at(2_001, { stage: 'closed' }), 'cut')
  t.equal(at(1, { identity: { expiresAtMs: 1 } }), 'certificate-expired')
  t.end()
})

test('a CONNECT is judged by what it says of itself [C2] [C3]', (t) => {
  const id = '0b4e1f6a-6c1a-4d5c-9a54-2f1de7a2c101'
  const other = '0b4e1f6a-6c1a-4d5c-9a54-2f1de7a2c102'
  const hello: Hello = { clientId: id, keepaliveS: 60, will: null }
  const will = { topic: `v1/${id}/telemetry`, qos: 1, retain: false }
  const judge = (more: Partial<Hello>, limits = defaultLimits) => helloFault({ ...hello, ...more }, id, limits)
  t.equal(judge({}), null)
  t.equal(judge({ clientId: other }), 'client-id')
  t.equal(judge({ clientId: id.toUpperCase() }), 'client-id')
  t.equal(judge({ clientId: '' }), 'client-id')
  t.equal(judge({ keepaliveS: 3_601 }), 'keepalive-out-of-range')
  t.equal(judge({ keepaliveS: 0 }), null)
  t.equal(judge({ keepaliveS: 0 }, { ...defaultLimits, keepaliveZero: 'refuse' }), 'keepalive-out-of-range')
  t.equal(judge({ will }), null)
  for (const bad of [{ topic: `v1/${other}/telemetry` }, { topic: `v1/${id}/command` }, { topic: '$SYS/x' }, { topic: '#' }, { retain: true }, { qos: 2 }]) {
    t.equal(judge({ will: { ...will, ...bad } }), 'will')
  }
  t.equal(connackCode('client-id'), 2)
  t.equal(connackCode('registry-unavailable'), 3)
  t.equal(connackCode('suspended'), 5)
  t.end()
})

test('what OpenSSL says of a failed handshake becomes one of our reasons', (t) => {
  t.equal(handshakeReason('CERT_REVOKED', 'ECONNRESET'), 'certificate-revoked')
  t.equal(handshakeReason(Object.assign(new Error('x'), { code: 'CRL_HAS_EXPIRED' }), 'ECONNRESET'), 'crl-unusable')
  t.equal(handshakeReason('EE_KEY_TOO_SMALL', 'ECONNRESET'), 'certificate-other')
  t.equal(handshakeReason(null, 'ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE'), 'no-certificate')
  t.equal(handshakeReason(undefined, 'ERR_TLS_HANDSHAKE_TIMEOUT'), 'handshake-timeout')
  t.equal(handshakeReason(undefined, 'ERR_SSL_WRONG_VERSION_NUMBER'), 'tls-protocol')
  t.equal(handshakeReason(undefined, 'ECONNRESET'), 'handshake-aborted')
  t.end()
})
