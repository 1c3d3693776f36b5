// What lies in quarantine is unreadable without the master key, opens in its own row only, and is lost to nobody: not when a key is
// destroyed, not across the change from rows in the clear. What happens while there is no key: quarantine-waiting.test.ts.
import { createHash, randomBytes } from 'node:crypto'
import { test } from 'tap'
import { DataKeys } from '../../ingest/keys/data-keys.ts'
import { destroyKeys, emptyPayloads } from '../../ingest/keys/destroy.ts'
import { localKeyService } from '../../ingest/keys/local-key.ts'
import { listQuarantine, showQuarantine } from '../../ingest/quarantine.ts'
import { sealPlainPage } from '../../ingest/quarantine-seal-plain.ts'
import { deliver, deliverBytes, type Delivery, deviceId, telemetry } from '../fixtures/deliveries.ts'
import { count, ingestBench, replayAll, testKeys } from '../fixtures/ingest.ts'
import { plantPlain } from '../fixtures/plain-quarantine.ts'
import { moveToTenant } from '../../ingest/tenants.ts'
import { needsServices } from '../services/skip.ts'

const gateway = deviceId(1)
const bytes = (text: string): Delivery => deliverBytes(gateway, 'telemetry', Buffer.concat([Buffer.from([0xff]), Buffer.from(text)]))
const unpaired = (seq: number): Delivery => deliver(gateway, telemetry(seq, { header: { source: deviceId(2), boot: 7n, seq, baseTickMs: 0, baseWallMs: Date.now() } }))

test('neither the bytes nor anything that tells them is in the database; who has the master key reads them [C13]', needsServices, async (t) => {
  const bench = await ingestBench(t)
  await moveToTenant(bench.owner, gateway, 'ward 7', undefined, async () => {})
  const { send } = bench.start()
  const secret = bytes('a patient value')
  const { payload } = secret.envelope
  await send(secret, bytes('a patient value'))
  const { rows: [row] } = await bench.owner.query<{ payload: Buffer, digest: Buffer, all: string, tenant: string, day: string }>(`
    SELECT q.payload, q.digest, q::text AS all, k.tenant, k.day::text FROM quarantine q JOIN data_key k ON k.id = q.key`)
  t.match(row, { tenant: 'ward 7', day: new Date().toISOString().slice(0, 10) })
  t.notOk(row?.payload.includes('patient'))
  t.notOk(row?.all.includes(payload.toString('hex')))
  t.notOk(row?.digest.equals(createHash('sha256').update(payload).digest()), 'a plain hash could be guessed from')
  const [entry] = await listQuarantine(bench.owner)
  t.match(entry, { times: 2, bytes: payload.length }, 'repeats are found by the keyed digest; the length shown is that of the message')
  t.same((await showQuarantine(bench.owner, bench.keys, entry?.id ?? 0)).payload, payload)
  const stranger = new DataKeys({ database: bench.owner, keys: localKeyService(randomBytes(32)) })
  await t.rejects(showQuarantine(bench.owner, stranger, entry?.id ?? 0), { code: 'KEY_MASTER_UNKNOWN' })
})

test('a payload moved to another row, or changed, does not open; the others are replayed', needsServices, async (t) => {
  const bench = await ingestBench(t)
  const { send } = bench.start()
  await send(...[0, 1, 2, 3].map(unpaired), bytes('one'), bytes('two'))
  await bench.registry.pair(gateway, deviceId(2), Date.now() - 3_600_000)
  // each of these would hand one patient's values over as another's, or pass for another reason
  await bench.owner.query('UPDATE quarantine q SET payload = o.payload FROM quarantine o WHERE q.seq = 0 AND o.seq = 1')
  await bench.owner.query('UPDATE quarantine SET seq = 20 WHERE seq = 2')
  await bench.owner.query('UPDATE quarantine q SET payload = o.payload FROM quarantine o WHERE q.boot IS NULL AND o.boot IS NULL AND o.id > q.id')
  const outcomes = (await replayAll(bench.owner, { filter: {} })).map(({ outcome, reason }) => reason ?? outcome)
  t.strictSame(outcomes.sort(), ['damaged', 'damaged', 'damaged', 'not-cbor', 'stored', 'stored'])
  const [damaged] = (await listQuarantine(bench.owner)).filter(({ replayOutcome }) => replayOutcome === 'quarantined: damaged')
  await t.rejects(showQuarantine(bench.owner, bench.keys, damaged?.id ?? 0), { code: 'SEALED_DATA_DAMAGED' })
})

test('after its key is destroyed a message is unreadable, also from a backup of its row; replay goes on with the others [C13]', needsServices, async (t) => {
  const bench = await ingestBench(t)
  await moveToTenant(bench.owner, gateway, 'leaving', undefined, async () => {})
  const pipeline = bench.start()
  await pipeline.send(unpaired(0))
  await moveToTenant(bench.owner, gateway, 'staying', undefined, async () => {})
  await pipeline.send(unpaired(1))
  const [staying, leaving] = await listQuarantine(bench.owner)
  const { rows: [backup] } = await bench.owner.query<{ payload: Buffer, digest: Buffer }>('SELECT payload, digest FROM quarantine WHERE id = $1', [leaving?.id])
  const selection = { kind: 'quarantine', tenant: 'leaving' } as const
  t.equal(await destroyKeys(bench.owner, selection), 1)
  t.equal(await emptyPayloads(bench.owner, selection), 1)
  t.equal(await emptyPayloads(bench.owner, selection), 0)
  t.match(await listQuarantine(bench.owner), [{}, { id: leaving?.id, bytes: leaving?.bytes, seq: 0 }], 'that it was there stays')
  await bench.owner.query('UPDATE quarantine SET payload = $2, digest = $3 WHERE id = $1', [leaving?.id, backup?.payload, backup?.digest])
  await t.rejects(showQuarantine(bench.owner, testKeys(bench.owner), leaving?.id ?? 0), { code: 'KEY_DESTROYED' })
  await emptyPayloads(bench.owner, selection)
  await bench.registry.pair(gateway, deviceId(2), Date.now() - 3_600_000)
  t.strictSame(await replayAll(bench.owner, { filter: {} }), [
    { id: leaving?.id, outcome: 'quarantined', reason: 'key-destroyed' }, { id: staying?.id, outcome: 'stored', reason: null }])
})

test('a worker that goes on while its key is destroyed: what comes then is readable, also the same message again', needsServices, async (t) => {
  const bench = await ingestBench(t)
  const { send, worker } = bench.start()
  await send(bytes('again'), bytes('before'))
  const selection = { kind: 'quarantine' } as const
  t.equal(await destroyKeys(bench.owner, selection), 1)
  await emptyPayloads(bench.owner, selection)
  t.ok((await send(bytes('again'), bytes('after'))).every((error) => error === null), 'acknowledged')
  t.equal(await count(bench.owner, 'quarantine'), 4, 'a row of its own: its old one has lost its bytes')
  const readable = await Promise.all((await listQuarantine(bench.owner)).map(({ id }) => showQuarantine(bench.owner, bench.keys, id).then(({ payload }) => payload.subarray(1).toString(), (error: { code: string }) => error.code)))
  t.strictSame(readable.sort(), ['KEY_DESTROYED', 'KEY_DESTROYED', 'after', 'again'])
  t.match(worker.status(), { ready: true, totals: { quarantined: 4 } })
})

test('rows from before: readable, their repeats counted on, sealed at once when asked', needsServices, async (t) => {
  const bench = await ingestBench(t)
  const { send } = bench.start()
  const old = Array.from({ length: 25 }, (_, n) => bytes(`old ${n}`))
  for (const { envelope } of old) await plantPlain(bench.owner, { ...envelope, reason: 'not-cbor' })
  await send(bytes('old 3'), bytes('old 3'), bytes('new'))
  t.equal(await count(bench.owner, 'quarantine'), 26, 'a repeat is no new row')
  const repeated = (await listQuarantine(bench.owner)).find(({ times }) => times === 3)
  t.equal((await showQuarantine(bench.owner, bench.keys, repeated?.id ?? 0)).payload.subarray(1).toString(), 'old 3')
  // the same message beside its plain row, as an older version would leave it that runs beside this one
  await plantPlain(bench.owner, { ...bytes('new').envelope, reason: 'not-cbor' })

  let sealed = 0
  for (let page = await sealPlainPage(bench.owner, bench.keys, { after: 0, rows: 10 }); page !== null; page = await sealPlainPage(bench.owner, bench.keys, { after: page.lastId, rows: 10 })) sealed += page.sealed
  t.equal(sealed, 26)
  t.equal(await count(bench.owner, 'quarantine', 'key IS NULL'), 0)
  t.equal(await count(bench.owner, 'quarantine'), 26, 'the two rows of one message are one')
  t.equal(await count(bench.owner, 'quarantine', "encode(payload, 'escape') LIKE '%old%'"), 0)
  await send(bytes('old 3'), bytes('old 4'), bytes('new'))
  const entries = await listQuarantine(bench.owner)
  const shown = await Promise.all(entries.map(async ({ id, times }) => `${(await showQuarantine(bench.owner, bench.keys, id)).payload.subarray(1).toString()} ${times}`))
  t.strictSame(shown.filter((text) => /^(old [345]|new) /.test(text)).sort(), ['new 3', 'old 3 4', 'old 4 2', 'old 5 1'])
})
