// A state changed in the database is felt by the live sessions of every broker within a second, however it was changed.
import { test } from 'tap'
import { openDatabase } from '../../ingest/database.ts'
import { watchRegistry } from '../../ingest/registry-watch.ts'
import { createRegistry } from '../../ingest/registry.ts'
import { quietObservability } from '../../runtime/observability.ts'
import { eventually, startTestBroker } from '../fixtures/broker.ts'
import { telemetry } from '../fixtures/mqtt-device.ts'
import { createPki } from '../fixtures/pki.ts'
import { startPulsegate } from '../fixtures/pulsegate.ts'
import { needsServices } from '../services/skip.ts'
import { temporaryDatabase } from '../services/timescaledb.ts'

test('two brokers on one registry: each ends what is suspended, also after a change that its watch could not hear', needsServices, async (t) => {
  const { url } = await temporaryDatabase(t)
  const database = openDatabase(url)
  t.teardown(() => database.close())
  const pki = await createPki(t)
  const registry = createRegistry(database, { enrolment: 'active' }, quietObservability())
  const brokers = await Promise.all([0, 1].map(async () => {
    const started = await startTestBroker(t, { pki, registry })
    const { broker } = started
    const watch = watchRegistry({ url, observability: quietObservability(), changed: (id, state) => { broker.registryChanged(id, state) }, knownIds: () => broker.knownIds() })
    t.teardown(() => watch.close())
    await eventually(() => watch.fault === null)
    return { ...started, watch }
  }))
  const round = async (change: (ids: string[]) => Promise<unknown>): Promise<void> => {
    const devices = await Promise.all(brokers.map(async ({ client }) => await client(await pki.device())))
    const bystanders = await Promise.all(brokers.map(async ({ client }) => await client(await pki.device())))
    await change(devices.map(({ id }) => id))
    const since = performance.now()
    await Promise.all(devices.map(({ closed }) => closed))
    t.ok(performance.now() - since < 1_000)
    for (const bystander of bystanders) {
      bystander.send(bystander.publish(1))
      t.strictSame(await bystander.acked(1), [1])
    }
  }
  await round(async (ids) => { for (const id of ids) await registry.setState(id, 'suspended') })
  await round((ids) => database.query('DELETE FROM device WHERE id = ANY($1)', [ids]))
  await round((ids) => database.query(`WITH ended AS MATERIALIZED (SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'pulsegate registry watch' AND datname = current_database())
    UPDATE device SET state = 'retired' WHERE id = ANY($1) AND (SELECT count(*) FROM ended) = 2`, [ids]))
  await Promise.all(brokers.map(({ watch }) => eventually(() => watch.fault === null)))
  await round(async (ids) => { for (const id of ids) await registry.setState(id, 'pending') })
  for (const { broker } of brokers) t.match(broker.stats().refused, { suspended: 1, retired: 2, pending: 1 })
})

test('in one process: a suspended device is out, an approved one comes back in', needsServices, async (t) => {
  const { service, connect, pki } = await startPulsegate(t)
  const identity = await pki.device()
  const [device, innocent] = await Promise.all([connect(identity), connect()])
  await device.publish(telemetry(0))
  const ended = new Promise<void>((resolve) => { device.client.once('close', () => { resolve() }) })
  await service.registry.setState(identity.id, 'suspended')
  await ended
  t.equal(service.broker.stats().refused['suspended'], 1)
  await t.rejects(connect(identity))
  await service.registry.setState(identity.id, 'active')
  await (await connect(identity)).publish(telemetry(1))
  await innocent.publish(telemetry(0))
})
