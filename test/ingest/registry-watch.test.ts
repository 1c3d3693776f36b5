// Changes of the registry are heard as they commit, on every edition; what was missed while the connection was away is asked for.
import { randomUUID } from 'node:crypto'
import { test, type Test } from 'tap'
import { type Database, openDatabase } from '../../ingest/database.ts'
import { changeIn, pairingIn, type RegistryWatch, watchRegistry } from '../../ingest/registry-watch.ts'
import { createRegistry, type DeviceRegistry } from '../../ingest/registry.ts'
import { quietObservability } from '../../runtime/observability.ts'
import { type DeviceState } from '../../schemas/device.ts'
import { eventually } from '../fixtures/broker.ts'
import { deviceId } from '../fixtures/deliveries.ts'
import { ownServer } from '../services/server.ts'
import { needsServices } from '../services/skip.ts'
import { temporaryDatabase } from '../services/timescaledb.ts'
import { migrate } from '../../ingest/migrate.ts'

interface Bench {
  readonly owner: Database
  readonly registry: DeviceRegistry
  readonly watch: RegistryWatch
  /** In the order in which they were told. */
  readonly told: Array<[string, DeviceState]>
  /** What the watch is to look after; changed by the test. */
  readonly known: Set<string>
}

async function bench (t: Test, url: string, { devices = 3, sweepEveryMs }: { devices?: number, sweepEveryMs?: number } = {}): Promise<Bench> {
  const owner = openDatabase(url)
  t.teardown(() => owner.close())
  const registry = createRegistry(owner, { enrolment: 'active' }, quietObservability())
  await registry.register(Array.from({ length: devices }, (_, i) => ({ id: deviceId(i + 1) })))
  const told: Array<[string, DeviceState]> = []
  const known = new Set<string>()
  const watch = watchRegistry({
    url,
    role: 'pulsegate_ingest',
    observability: quietObservability(),
    changed: (id, state) => { told.push([id, state]) },
    knownIds: () => known,
    ...(sweepEveryMs !== undefined && { sweepEveryMs })
  })
  t.teardown(() => watch.close())
  await eventually(() => watch.fault === null, 'the watch to listen')
  return { owner, registry, watch, told, known }
}

const [one, two, three] = [deviceId(1), deviceId(2), deviceId(3)]

for (const edition of ['plain', 'timescaledb-apache'] as const) {
  test(`${edition}: a change of state is told when it commits; nothing else of a device is`, needsServices, async (t) => {
    const { owner, registry, told } = await bench(t, (await temporaryDatabase(t, { edition })).url)
    await registry.admit(one, AbortSignal.timeout(10_000)) // last_seen
    await registry.register([{ id: randomUUID() }])
    await registry.setState(one, 'active') // it is already
    await owner.query("UPDATE device SET kind = 'gateway'")
    await t.rejects(owner.transaction(async (client) => {
      await client.query("UPDATE device SET state = 'retired'")
      throw new Error('undo')
    }))
    await registry.setState(one, 'suspended')
    await registry.setState(one, 'active')
    await registry.setState(two, 'retired')
    await owner.query('DELETE FROM device WHERE id = $1', [three])
    await eventually(() => told.length === 4)
    t.strictSame(told, [[one, 'suspended'], [one, 'active'], [two, 'retired'], [three, 'retired']])
  })
}

test('the ingest role may change a state, and that is told too', needsServices, async (t) => {
  const { url } = await temporaryDatabase(t)
  const { told } = await bench(t, url)
  const database = openDatabase(url, { role: 'pulsegate_ingest' })
  t.teardown(() => database.close())
  await createRegistry(database, { enrolment: 'active' }, quietObservability()).setState(one, 'suspended')
  await eventually(() => told.length === 1)
  t.strictSame(told, [[one, 'suspended']])
})

test('its connection ended and a change made meanwhile: told when it is back, and later ones are heard', needsServices, async (t) => {
  const { owner, registry, watch, told, known } = await bench(t, (await temporaryDatabase(t)).url)
  known.add(one).add(two)
  // one statement: the change commits before a new connection can listen
  await owner.query(`WITH ended AS MATERIALIZED (SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'pulsegate registry watch' AND datname = current_database())
    UPDATE device SET state = 'suspended' WHERE id = $1 AND (SELECT count(*) FROM ended) > 0`, [one])
  await eventually(() => told.some(([id, state]) => id === one && state === 'suspended'), 'the change to be told')
  await eventually(() => watch.fault === null)
  await registry.setState(two, 'retired')
  await eventually(() => told.some(([id, state]) => id === two && state === 'retired'), 'later changes to be heard')
  t.notOk(told.some(([, state]) => state === 'active'))
})

test('all devices that matter are asked for now and then, in pieces; one that is not registered counts as retired', needsServices, async (t) => {
  const { owner, told, known } = await bench(t, (await temporaryDatabase(t)).url, { devices: 2_500, sweepEveryMs: 1_000 })
  const stranger = randomUUID()
  for (let n = 1; n <= 2_500; n++) known.add(deviceId(n))
  known.add(stranger)
  await eventually(() => told.length > 0, 'a sweep')
  t.ok(told.every(([id, state]) => id === stranger && state === 'retired'), 'the others are active')
  // without the trigger: a notification that got lost
  await owner.query('ALTER TABLE device DISABLE TRIGGER device_state_changed')
  await owner.query("UPDATE device SET state = 'pending' WHERE id = ANY($1)", [[deviceId(1), deviceId(1_000), deviceId(1_001), deviceId(2_500)]])
  await eventually(() => new Set(told.filter(([, state]) => state === 'pending').map(([id]) => id)).size === 4, 'all four to be found')
})

test('a database that hangs is noticed within seconds, one that is back is listened to again', { ...needsServices, timeout: 120_000 }, async (t) => {
  const server = await ownServer(t)
  await migrate(server.url)
  const { registry, watch, told, known } = await bench(t, server.url)
  known.add(one)
  await server.freeze()
  await eventually(() => watch.fault !== null, 'the silence to be noticed')
  t.match(watch.fault, /registry watch: database/)
  await server.thaw()
  await eventually(() => watch.fault === null, 'the watch to listen again')
  await registry.setState(one, 'suspended')
  await eventually(() => told.length > 0)
  await server.stop()
  await eventually(() => watch.fault !== null, 'the absence to be noticed')
  await server.start()
  await eventually(() => watch.fault === null, 'the watch to listen again')
  t.ok(told.length >= 2, 'and to have asked for what is suspended')
})

test('a pairing that begins, ends or goes is told by its keys when it commits', needsServices, async (t) => {
  const { url } = await temporaryDatabase(t)
  const owner = openDatabase(url)
  t.teardown(() => owner.close())
  const registry = createRegistry(owner, { enrolment: 'active' }, quietObservability())
  await registry.register([one, two, three].map((id) => ({ id })))
  const { rows } = await owner.query<{ key: number }>('SELECT key FROM device ORDER BY id')
  const [gateway, sensor, other] = rows.map(({ key }) => key)
  const told: number[][] = []
  let listening = 0
  const watch = watchRegistry({
    url, role: 'pulsegate_ingest', observability: quietObservability(), changed: () => {}, knownIds: () => [], pairingChanged: (...keys) => { told.push(keys) }, listening: () => { listening++ }
  })
  t.teardown(() => watch.close())
  await eventually(() => watch.fault === null)
  t.equal(listening, 1)
  await registry.pair(one, two, Date.now() - 1_000)
  await registry.pair(one, two) // it is already
  await eventually(() => told.length === 1)
  await registry.pair(three, two)
  await eventually(() => told.length === 3)
  await owner.query('DELETE FROM pairing WHERE gateway = $1', [other])
  await eventually(() => told.length === 4)
  t.strictSame(told, [[gateway, sensor], [gateway, sensor], [other, sensor], [other, sensor]])
  await owner.query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'pulsegate registry watch' AND datname = current_database()")
  await eventually(() => listening === 2, 'to say that something may have been missed')
  for (const payload of [undefined, 'x', 'null', '{}', '{"gateway":1}', '{"gateway":1,"sensor":"2"}', '{"gateway":0,"sensor":2}', '{"gateway":1.5,"sensor":2}']) t.equal(pairingIn(payload), null)
})

test('closed it ends at once, also while it cannot connect', async (t) => {
  const watch = watchRegistry({ url: 'postgres://nobody@127.0.0.1:9/none', observability: quietObservability(), changed: () => {}, knownIds: () => [] })
  await eventually(() => watch.fault?.includes('ECONNREFUSED') === true)
  await watch.close()
  t.pass()
})

test('a notification is read with care', (t) => {
  const id = 'abcdef01-0000-4000-8000-00000000000a'
  t.strictSame(changeIn(JSON.stringify({ id, state: 'suspended', more: 1 })), { id, state: 'suspended' })
  for (const payload of [undefined, '', 'x', 'null', '1', JSON.stringify({ id }), JSON.stringify({ id, state: 'gone' }), JSON.stringify({ id: id.toUpperCase(), state: 'active' }), JSON.stringify({ id: 7, state: 'active' })]) {
    t.equal(changeIn(payload), null, payload ?? 'no payload')
  }
  t.end()
})
