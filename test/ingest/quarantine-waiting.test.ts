// While a data key cannot be had: messages for quarantine wait, unacknowledged and not lost; every other message is stored and acknowledged,
// in the same batch and after it. How many may wait is bounded.
import { randomBytes } from 'node:crypto'
import { test, type Test } from 'tap'
import { DataKeys } from '../../ingest/keys/data-keys.ts'
import { httpsKeyService } from '../../ingest/keys/key-service-https.ts'
import { Persist } from '../../ingest/persist.ts'
import { moveToTenant } from '../../ingest/tenants.ts'
import { WaitingRoom } from '../../ingest/waiting-room.ts'
import { type Envelope } from '../../queue/queue.ts'
import { PulsegateError } from '../../runtime/errors.ts'
import { quietObservability } from '../../runtime/observability.ts'
import { deliver, deliverBytes, type Delivery, deviceId, telemetry } from '../fixtures/deliveries.ts'
import { type Bench, count, ingestBench } from '../fixtures/ingest.ts'
import { startKeyService, type TestKeyService } from '../fixtures/key-service.ts'
import { createPki } from '../fixtures/pki.ts'
import { needsServices } from '../services/skip.ts'

const gateway = deviceId(1)
const good = (seq: number): Delivery => deliver(gateway, telemetry(seq))
const bad = (text: string): Delivery => deliverBytes(gateway, 'telemetry', Buffer.concat([Buffer.from([0xff]), Buffer.from(text)]))
const until = async (reached: () => boolean | Promise<boolean>): Promise<void> => { while (!await reached()) await new Promise((resolve) => setTimeout(resolve, 10)) }

/** Data keys of a worker whose key service can be made to fail. */
async function keyService (t: Test, bench: Bench): Promise<{ service: TestKeyService, keys: DataKeys }> {
  const service = await startKeyService(t, await createPki(t))
  const client = httpsKeyService({ url: service.url, caFile: service.caFile, tokenFile: service.tokenFile, deadlineMs: 1_000 })
  t.teardown(() => { client.close() })
  return { service, keys: new DataKeys({ database: bench.database, keys: client }) }
}

for (const mode of ['fail', 'hang'] as const) {
  test(`the key service is away (${mode}s): good messages are stored and acknowledged beside bad ones that wait; it heals by itself`, needsServices, async (t) => {
    const bench = await ingestBench(t)
    const { service, keys } = await keyService(t, bench)
    service.mode = mode
    await bench.owner.query('ALTER TABLE sample ADD CONSTRAINT planted CHECK (value <> 4711)')
    const { send, worker } = bench.start(keys)
    const settled: string[] = []
    const sent = (name: string, ...deliveries: Delivery[]): void => { for (const delivery of deliveries) send(delivery).then(([error]) => { settled.push(error === null ? name : String(error)) }, () => {}) }
    const refusedLater = deliver(gateway, telemetry(9, { samples: [{ metric: 1, dtMs: 0, value: 4711, quality: 0 }] }))
    sent('bad', bad('one'), bad('two'), bad('two'), refusedLater)
    sent('good', good(0), good(1))
    await until(() => settled.length === 2 && worker.status().waiting === 4)
    t.strictSame(await send(good(2), good(3)), [null, null], 'the next batch is not held up either')
    sent('bad', bad('three'))
    await until(() => worker.status().waiting === 5)
    const started = performance.now()
    for (let seq = 20; seq < 40; seq++) await send(good(seq))
    t.ok(performance.now() - started < 5_000, 'and the service is not waited for again and again')
    t.strictSame(settled, ['good', 'good'], 'what waits is not acknowledged')
    t.equal(await count(bench.owner, 'quarantine'), 0, 'and nowhere in the clear')
    t.match(worker.status(), { ready: true, reason: null, totals: { stored: 24, quarantined: 0 } }, 'no reason to send devices elsewhere')
    t.match(keys.fault, /KEY_UNAVAILABLE/, 'what is away is told in /readyz')
    service.mode = 'ok'
    await until(() => settled.length === 7)
    t.strictSame(settled.slice(2), Array.from({ length: 5 }, () => 'bad'), 'acknowledged once they are in quarantine')
    const { rows } = await bench.owner.query('SELECT reason, sum(times)::int AS times FROM quarantine WHERE key IS NOT NULL GROUP BY 1 ORDER BY 1')
    t.strictSame(rows, [{ reason: 'data-error', times: 1 }, { reason: 'not-cbor', times: 4 }])
    t.equal(await count(bench.owner, 'receipt'), 24)
    t.match(worker.status(), { ready: true, waiting: 0, totals: { stored: 24, duplicate: 0, quarantined: 5 } }, 'each message counted once')
    service.mode = mode
    t.ok((await send(bad('goes on'))).every((error) => error === null), 'the key of the day is in memory')
  })
}

test('the bound of what waits: then the batch waits as a whole, says why, and nothing is lost', needsServices, async (t) => {
  const bench = await ingestBench(t)
  const { service, keys } = await keyService(t, bench)
  service.mode = 'fail'
  const { send, worker } = bench.start(keys)
  const first = send(...Array.from({ length: 990 }, (_, n) => bad(`first ${n}`)))
  await until(() => worker.status().waiting > 0)
  const second = send(...Array.from({ length: 50 }, (_, n) => bad(`second ${n}`)), good(0))
  await until(() => !worker.status().ready)
  t.match(worker.status().reason, 'keys: KEY_UNAVAILABLE')
  t.ok(worker.status().waiting <= 1_000)
  service.mode = 'ok'
  t.ok([...await first, ...await second].every((error) => error === null))
  t.match(worker.status(), { ready: true, waiting: 0, totals: { stored: 1, duplicate: 0, quarantined: 1_040 } })
  t.equal(await count(bench.owner, 'quarantine'), 1_040)
})

test('copies of what waits take no place: devices that send again and again stop nobody; each is counted in the end', needsServices, async (t) => {
  const bench = await ingestBench(t)
  const { service, keys } = await keyService(t, bench)
  service.mode = 'fail'
  const { send, worker } = bench.start(keys)
  const sent: Array<Promise<Array<Error | null>>> = []
  for (let round = 1; round <= 4; round++) {
    sent.push(send(...Array.from({ length: 400 }, (_, n) => bad(`again ${n}`))))
    await until(() => worker.status().waiting === round * 400 || !worker.status().ready)
    t.strictSame(await Promise.race([send(good(round)), new Promise((resolve) => setTimeout(resolve, 10_000, 'held up'))]), [null], `round ${round}`)
  }
  t.equal(worker.status().ready, true)
  service.mode = 'ok'
  t.ok((await Promise.all(sent)).flat().every((error) => error === null))
  const { rows } = await bench.owner.query('SELECT count(*)::int AS rows, min(times)::int AS least, max(times)::int AS most FROM quarantine')
  t.strictSame(rows, [{ rows: 400, least: 4, most: 4 }])
  t.match(worker.status(), { ready: true, waiting: 0, totals: { stored: 4, duplicate: 0, quarantined: 1_600 } })
})

test('a tenant whose key is in memory is not held up by one whose key cannot be had, in the same batch or after it', needsServices, async (t) => {
  const bench = await ingestBench(t)
  for (const [n, tenant] of [[1, 'a'], [2, 'b']] as const) await moveToTenant(bench.owner, deviceId(n), tenant, undefined, async () => {})
  const { service, keys } = await keyService(t, bench)
  const { send, worker } = bench.start(keys)
  const other = (text: string): Delivery => deliverBytes(deviceId(2), 'telemetry', Buffer.concat([Buffer.from([0xff]), Buffer.from(text)]))
  t.strictSame(await send(bad('before')), [null], 'the key of this tenant is in memory now')
  service.mode = 'fail'
  const settled: string[] = []
  const sent = (name: string, delivery: Delivery): void => { send(delivery).then(([error]) => { settled.push(error === null ? name : String(error)) }, () => {}) }
  sent('b', other('one'))
  sent('a', bad('one'))
  await until(() => worker.status().waiting === 1 && settled.length === 1)
  sent('b', other('two'))
  sent('a', bad('two'))
  await until(() => worker.status().waiting === 2 && settled.length === 2)
  t.strictSame(settled, ['a', 'a'])
  t.equal(await count(bench.owner, 'quarantine'), 3)
  service.mode = 'ok'
  await until(() => settled.length === 4)
  const { rows } = await bench.owner.query('SELECT k.tenant, count(*)::int AS rows, sum(q.times)::int AS times FROM quarantine q JOIN data_key k ON k.id = q.key GROUP BY 1 ORDER BY 1')
  t.strictSame(rows, [{ tenant: 'a', rows: 3, times: 3 }, { tenant: 'b', rows: 2, times: 2 }])
  t.match(worker.status(), { waiting: 0, totals: { quarantined: 5 } })
})

test('a message that waits is prepared anew: what became known meanwhile holds for it', needsServices, async (t) => {
  const bench = await ingestBench(t)
  const { service, keys } = await keyService(t, bench)
  service.mode = 'fail'
  const { send, worker } = bench.start(keys)
  const unpaired = deliver(gateway, telemetry(0, { header: { source: deviceId(2), boot: 7n, seq: 0, baseTickMs: 0, baseWallMs: Date.now() } }))
  const sent = send(unpaired)
  await until(() => worker.status().waiting === 1)
  await bench.registry.pair(gateway, deviceId(2), Date.now() - 3_600_000)
  worker.registryChanged('unknown')
  t.strictSame(await sent, [null], 'paired now: it needs no key')
  t.match(worker.status(), { waiting: 0, totals: { stored: 1, quarantined: 0 } })
})

test('a process that stops gives up what waits, unacknowledged', needsServices, async (t) => {
  const bench = await ingestBench(t)
  const { service, keys } = await keyService(t, bench)
  service.mode = 'fail'
  const { send, worker, queue } = bench.start(keys)
  const sent = send(bad('waits'), good(0))
  await until(() => worker.status().waiting === 1)
  await Promise.all([queue.close(AbortSignal.abort()), worker.close(AbortSignal.abort())])
  t.match(await sent, [{ code: 'QUEUE_CLOSED' }, null])
})

test('one tenant whose key cannot be had holds up no other that waits', async (t) => {
  const envelope = (publisher: string): Envelope => ({ publisher, kind: 'telemetry', payload: randomBytes(10), receivedAtMs: 0, settle () {} })
  const stop = new AbortController()
  const stored: string[] = []
  let away = true
  const room = new WaitingRoom({
    persist: new Persist(quietObservability().log, stop.signal, () => {}),
    maxMessages: 8,
    maxBytes: 75,
    async attempt (envelopes) {
      await new Promise((resolve) => setImmediate(resolve))
      const left = envelopes.filter(({ publisher }) => publisher === 'damaged' || away)
      stored.push(...envelopes.filter((each) => !left.includes(each)).map(({ publisher }) => publisher))
      return { left, fault: left.length === 0 ? null : fault }
    }
  })
  const fault = new PulsegateError('KEY_UNAVAILABLE', 'away')
  const outcomes = [['damaged'], ['damaged', 'a'], ['damaged'], ['b'], ['c']].map((names) => room.enter(names.map(envelope), fault))
  t.equal(room.messages, 6)
  t.equal(room.enter(['d', 'e'].map(envelope), fault), null, 'no room: bytes')
  t.equal(room.fault, fault)
  away = false
  await Promise.all([outcomes[3], outcomes[4]])
  t.strictSame([...stored].sort(), ['a', 'b', 'c'], 'part of a group too, and each once')
  t.equal(room.messages, 3)
  stop.abort()
  for (const n of [0, 1, 2]) await t.rejects(outcomes[n] as Promise<void>, { code: 'QUEUE_CLOSED' })
  t.match(room, { messages: 0, fault: null })
})

test('a copy is stored after the one that waits, and settled once it is; copies have a bound too', async (t) => {
  const envelope = (publisher: string, receivedAtMs: number): Envelope => ({ publisher, kind: 'telemetry', payload: Buffer.alloc(10), receivedAtMs, settle () {} })
  const stop = new AbortController()
  t.teardown(() => { stop.abort() })
  const asked: string[][] = []
  let away: readonly string[] = ['a', 'b']
  const room = new WaitingRoom({
    persist: new Persist(quietObservability().log, stop.signal, () => {}),
    maxMessages: 2,
    maxCopies: 3,
    async attempt (envelopes) {
      await new Promise((resolve) => setImmediate(resolve))
      asked.push(envelopes.map(({ publisher, receivedAtMs }) => `${publisher}${receivedAtMs}`))
      const left = envelopes.filter(({ publisher }) => away.includes(publisher))
      return { left, fault: left.length === 0 ? null : fault }
    }
  })
  const fault = new PulsegateError('KEY_UNAVAILABLE', 'away')
  const settled: string[] = []
  const enter = (name: string, ...envelopes: Envelope[]): void => { room.enter(envelopes, fault)?.then(() => { settled.push(name) }, () => {}) }
  enter('first', envelope('a', 1), envelope('b', 1))
  enter('copy of a', envelope('a', 2))
  enter('copies of both', envelope('a', 3), envelope('b', 3))
  t.equal(room.messages, 5)
  t.equal(room.enter([envelope('a', 4)], fault), null, 'no more copies')
  t.equal(room.enter([envelope('c', 1)], fault), null, 'no more places')
  await until(() => asked.length > 0)
  t.strictSame(asked[0], ['a1', 'b1'], 'copies ask for no key')
  away = []
  await until(() => settled.length === 3)
  t.strictSame(asked.slice(-2).map((names) => names.sort()), [['a1', 'b1'], ['a2', 'a3', 'b3']])
  t.equal(room.messages, 0)
  enter('afterwards', envelope('a', 5), envelope('a', 6), envelope('d', 1))
  await until(() => settled.includes('afterwards'))
  t.match(room, { messages: 0, fault: null })
})
