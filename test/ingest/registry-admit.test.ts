// Registering just in time: once, recorded once, at a bounded rate; and a pending device can do nothing.
import { randomUUID } from 'node:crypto'
import { test } from 'tap'
import { openDatabase } from '../../ingest/database.ts'
import { RegistrationBudget } from '../../ingest/registry-budget.ts'
import { createRegistry } from '../../ingest/registry.ts'
import { quietObservability } from '../../runtime/observability.ts'
import { startTestBroker } from '../fixtures/broker.ts'
import { count } from '../fixtures/ingest.ts'
import { createPki } from '../fixtures/pki.ts'
import { named, toldLog } from '../fixtures/told.ts'
import { needsServices } from '../services/skip.ts'
import { temporaryDatabase } from '../services/timescaledb.ts'

const signal = AbortSignal.timeout(60_000)

test('a bound on registrations: what is left of a minute is not saved up, refusals are told at once and then by the minute', (t) => {
  let nowMs = 0
  const budget = new RegistrationBudget(10, () => nowMs)
  t.strictSame(budget.take(4), { granted: 4, tell: 0 })
  t.strictSame(budget.take(9), { granted: 6, tell: 3 })
  t.strictSame(budget.take(5), { granted: 0, tell: 0 }, 'told together later')
  nowMs = 59_999
  t.strictSame(budget.take(1), { granted: 0, tell: 0 })
  nowMs = 60_000
  t.strictSame(budget.take(1), { granted: 1, tell: 6 })
  nowMs = 180_000
  t.strictSame(budget.take(12), { granted: 10, tell: 2 })
  t.end()
})

test('unknown devices at two brokers at once: each is registered once and recorded once, and uses one key', needsServices, async (t) => {
  const { url } = await temporaryDatabase(t)
  const database = openDatabase(url, { poolSize: 8 })
  t.teardown(() => database.close())
  const audit = toldLog()
  const registries = [0, 1].map(() => createRegistry(database, { enrolment: 'pending', audit }, quietObservability()))
  const ids = Array.from({ length: 200 }, () => randomUUID())
  const admit = async (): Promise<Array<{ state: string, firstSeen: boolean }>> =>
    (await Promise.all(registries.map((registry) => Promise.all(ids.map((id) => registry.admit(id, signal)))))).flat()
  const answers = await admit()
  t.ok(answers.every(({ state }) => state === 'pending'))
  t.equal(answers.filter(({ firstSeen }) => firstSeen).length, 200)
  t.strictSame(new Set(named(audit.events)), new Set(['device registered']))
  t.equal(audit.events.length, 200)
  t.match(audit.events[0], { action: 'C', agent: { role: 'device' }, detail: { state: 'pending' } })
  t.equal(await count(database, 'device_state_history', "state = 'pending' AND upper_inf(period)"), 200)
  const highest = async (): Promise<number> => Number((await database.query<{ n: string }>("SELECT nextval(pg_get_serial_sequence('device', 'key')) AS n")).rows[0]?.n)
  const before = await highest()
  for (let i = 0; i < 5; i++) t.ok((await admit()).every(({ firstSeen }) => !firstSeen))
  t.equal(await highest(), before + 1, 'a device that comes back costs no key: they are int4')
  t.equal(audit.events.length, 200)
})

test('more unknown devices than may: a clear refusal, no row, recorded; known ones come in all the same', needsServices, async (t) => {
  const { url } = await temporaryDatabase(t)
  const database = openDatabase(url)
  t.teardown(() => database.close())
  const audit = toldLog()
  const registry = createRegistry(database, { enrolment: 'active', registrationsPerMinute: 2, audit }, quietObservability())
  const pki = await createPki(t)
  const { broker, tls } = await startTestBroker(t, { pki, registry })
  const identities = await Promise.all([0, 1, 2].map(() => pki.device()))
  const code = async (identity: typeof identities[number]): Promise<number | undefined> => {
    const client = await tls(identity)
    client.send(client.connect())
    return (await client.next('connack')).returnCode
  }
  t.strictSame([await code(identities[0]!), await code(identities[1]!), await code(identities[2]!)], [0, 0, 3], 'server unavailable: it shall come again')
  t.equal(broker.stats().refused['registration-limited'], 1)
  t.equal(await count(database, 'device'), 2)
  t.equal(await code(identities[0]!), 0, 'known')
  t.match(audit.events.at(-1), { type: 'device', subtype: 'registered', outcome: 'minor-failure', reason: 'registration-limited', count: 1 })
})

for (const enrolment of ['pending', 'active'] as const) {
  test(`an unknown device where enrolment is ${enrolment} ${enrolment === 'pending' ? 'can do nothing until it is approved [C6]' : 'comes in at once'}`, needsServices, async (t) => {
    const { url } = await temporaryDatabase(t)
    const database = openDatabase(url)
    t.teardown(() => database.close())
    const audit = toldLog()
    const registry = createRegistry(database, { enrolment, audit }, quietObservability())
    const pki = await createPki(t)
    const { broker, tls, client: connect, queue } = await startTestBroker(t, { pki, registry })
    const identity = await pki.device()
    for (let attempt = 0; attempt < 3; attempt++) {
      const client = await tls(identity)
      client.send(client.connect(), client.publish(1))
      t.equal((await client.next('connack')).returnCode, enrolment === 'pending' ? 5 : 0)
      if (enrolment === 'pending') {
        await client.closed
        t.strictSame(client.pubacks, [])
      } else t.strictSame(await client.acked(1), [1])
    }
    t.strictSame(audit.events.map(({ subtype, entity, detail }) => [subtype, entity?.id, detail?.['state']]), [['registered', identity.id, enrolment]], 'recorded once')
    if (enrolment === 'active') return
    t.equal(queue.all.length, 0, 'no message got as far as the queue')
    t.equal(broker.stats().refused['pending'], 3)
    await registry.setState(identity.id, 'active')
    await t.resolves(connect(identity))
  })
}
