// The small pure parts between processes and facts.
import { test } from 'tap'
import { sumOf } from '../../proof/collect.ts'
import { brokerEnvironment, through, workerEnvironment } from '../../proof/environment.ts'
import { linkNames } from '../../proof/names.ts'
import { unsettled } from '../../proof/quiet.ts'

test('an address is led through a proxy and keeps its password and database', async (t) => {
  t.equal(through('redis://:geheim@127.0.0.1:6379', 7001), 'redis://:geheim@127.0.0.1:7001')
  t.equal(through('postgres://owner:x@localhost:5432/telemetry?sslmode=disable', 7002), 'postgres://owner:x@127.0.0.1:7002/telemetry?sslmode=disable')
})

test('processes get what they need and nothing of the shell', async (t) => {
  const shared = { certs: '/c', masterKey: '/k', partitions: 8, leaseMs: 2_000, allowWeakDurability: false }
  const addresses = { redisUrl: 'redis://r', databaseUrl: 'postgres://p', healthPort: 1 }
  const broker = brokerEnvironment({ ...addresses, mqttPort: 2 }, shared)
  t.match(broker, { REDIS_URL: 'redis://r', DATABASE_URL: 'postgres://p', PULSEGATE_CERTS: '/c', PULSEGATE_MQTT_PORT: '2', PULSEGATE_HEALTH_PORT: '1', PULSEGATE_PARTITIONS: '8' })
  t.notOk('HOME' in broker)
  t.notOk('PULSEGATE_ALLOW_WEAK_DURABILITY' in broker)
  const worker = workerEnvironment(addresses, { ...shared, allowWeakDurability: true })
  t.match(worker, { PULSEGATE_LEASE: '2000ms', PULSEGATE_ALLOW_WEAK_DURABILITY: 'true' })
  t.notOk('PULSEGATE_MQTT_PORT' in worker)
})

test('series of one name are summed over processes, by label', async (t) => {
  const all = [
    new Map([['pulsegate_messages_total{outcome="stored"}', 5], ['pulsegate_messages_total{outcome="quarantined",reason="clock-ahead"}', 2], ['pulsegate_messages_total_other', 100]]),
    new Map([['pulsegate_messages_total{outcome="stored"}', 7], ['plain', 3]])
  ]
  t.equal(sumOf(all, 'pulsegate_messages_total', 'outcome="stored"'), 12)
  t.equal(sumOf(all, 'pulsegate_messages_total'), 14)
  t.equal(sumOf(all, 'plain'), 3)
  t.equal(sumOf(all, 'absent'), 0)
})

test('unsettled partitions are named', async (t) => {
  t.strictSame(unsettled([{ partition: 0, pending: 0, unread: 0, length: 5 }]), [])
  t.strictSame(unsettled([{ partition: 1, pending: 2, unread: 0, length: 5 }, { partition: 2, pending: 0, unread: null, length: 5 }]),
    ['partition 1: 2 unacknowledged, 0 unread', 'partition 2: 0 unacknowledged, some of 5 unread'])
  t.strictSame(unsettled([]), ['redis knows no partitions'], 'nothing to see is not rest')
})

test('a set-up has a link between each pair that speaks', async (t) => {
  t.strictSame(linkNames(1, 1), ['devices→broker-1', 'broker-1→redis', 'broker-1→postgres', 'worker-1→redis', 'worker-1→postgres'])
  t.equal(linkNames(2, 2).length, 10)
})
