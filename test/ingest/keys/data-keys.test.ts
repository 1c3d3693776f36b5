// Data keys on a real database: one per tenant and day, shared by workers, bounded in messages, rotated, destroyed.
import { randomBytes } from 'node:crypto'
import { inspect } from 'node:util'
import { test, type Test } from 'tap'
import { type Database, openDatabase } from '../../../ingest/database.ts'
import { keepKeysAhead } from '../../../ingest/keys/ahead.ts'
import { DataKeys, type DataKeyOptions } from '../../../ingest/keys/data-keys.ts'
import { countKeys, destroyKeys } from '../../../ingest/keys/destroy.ts'
import { keyRing } from '../../../ingest/keys/key-ring.ts'
import { httpsKeyService } from '../../../ingest/keys/key-service-https.ts'
import { localKeyService } from '../../../ingest/keys/local-key.ts'
import { openRotation } from '../../../ingest/keys/rotate.ts'
import { bind, open, seal } from '../../../ingest/keys/seal.ts'
import { holdKeys } from '../../../ingest/quarantine-rows.ts'
import { quietObservability } from '../../../runtime/observability.ts'
import { startKeyService } from '../../fixtures/key-service.ts'
import { createPki } from '../../fixtures/pki.ts'
import { needsServices } from '../../services/skip.ts'
import { temporaryDatabase } from '../../services/timescaledb.ts'

const day = '2026-01-31'

async function openBoth (t: Test): Promise<{ owner: Database, ingest: Database }> {
  const { url } = await temporaryDatabase(t)
  const [owner, ingest] = [openDatabase(url), openDatabase(url, { role: 'pulsegate_ingest' })]
  t.teardown(async () => { await Promise.all([owner.close(), ingest.close()]) })
  return { owner, ingest }
}

test('one key a tenant and day, the same for every worker, and never in the clear in the database [C13]', needsServices, async (t) => {
  const { owner, ingest } = await openBoth(t)
  const master = localKeyService(randomBytes(32))
  const workers = Array.from({ length: 4 }, () => new DataKeys({ database: ingest, keys: master }))
  const first = await Promise.all(workers.map((worker) => worker.toSeal('a', day, 1)))
  t.equal(new Set(first.map(({ id }) => id)).size, 1)
  const others = [await workers[0]?.toSeal('b', day, 1), await workers[0]?.toSeal('a', '2026-02-01', 1), await workers[0]?.toSeal('', day, 1)]
  t.equal(new Set([first[0]?.id, ...others.map((other) => other?.id)]).size, 4)
  const [digest, same] = await Promise.all([0, 3].map((n) => (workers[n] as DataKeys).forDigests()))
  t.ok(digest?.equals(same as NonNullable<typeof same>), 'one digest key')
  const clear = first[0]?.key.export() as Buffer
  const { rows } = await owner.query<{ wrapped: Buffer }>('SELECT wrapped FROM data_key')
  t.equal(rows.some(({ wrapped }) => wrapped.includes(clear)), false)
  const box = seal(first[0]?.key as never, 1, Buffer.from('x'), bind([]))
  t.equal(open((await workers[2]?.toOpen(first[0]?.id ?? 0))?.key as never, box, bind([])).toString(), 'x')
  await t.rejects(new DataKeys({ database: owner, keys: localKeyService(randomBytes(32)) }).toOpen(first[0]?.id ?? 0), { code: 'KEY_MASTER_UNKNOWN' }, 'without the master key nothing opens')
  t.notOk(inspect(first).includes(clear.toString('hex').slice(0, 8)), 'a key that is printed shows nothing')
})

test('a key that has sealed its fill is followed by another', needsServices, async (t) => {
  const { ingest, owner } = await openBoth(t)
  const make = (): DataKeys => new DataKeys({ database: ingest, keys: master, bound: 10, block: 4 })
  const master = localKeyService(randomBytes(32))
  const [one, two] = [make(), make()]
  const used = new Map<number, number>()
  for (let n = 0; n < 40; n++) {
    const { id } = await (n % 2 === 0 ? one : two).toSeal('a', day, n % 3 + 1)
    used.set(id, (used.get(id) ?? 0) + n % 3 + 1)
  }
  for (let n = 0; n < 10; n++) {
    // a worker's batches and those that wait ask at once
    for (const { id } of await Promise.all([one, one, one].map((keys) => keys.toSeal('a', day, 1)))) used.set(id, (used.get(id) ?? 0) + 1)
  }
  t.ok(used.size >= 8)
  t.ok([...used.values()].every((messages) => messages <= 10), 'none above its bound, whoever sealed')
  const { rows } = await owner.query<{ messages: string }>('SELECT messages FROM data_key')
  t.ok(rows.every(({ messages }) => Number(messages) <= 10))
})

test('a key service that is away: what is in memory goes on for a day, what is not waits', needsServices, async (t) => {
  const { ingest } = await openBoth(t)
  const service = await startKeyService(t, await createPki(t))
  const client = httpsKeyService({ url: service.url, caFile: service.caFile, tokenFile: service.tokenFile, deadlineMs: 3_000 })
  t.teardown(() => { client.close() })
  let nowMs = 0
  const options: DataKeyOptions = { database: ingest, keys: client, clock: () => nowMs }
  const keys = new DataKeys(options)
  await keys.forDigests()
  const { id } = await keys.toSeal('a', day, 1)
  service.mode = 'fail'
  nowMs = 2 * 3_600_000
  t.equal((await keys.toSeal('a', day, 1)).id, id, 'the key of the day')
  await t.resolves(keys.forDigests())
  await t.rejects(keys.toSeal('b', day, 1), { code: 'KEY_UNAVAILABLE' })
  t.equal(keys.fault, 'keys: KEY_UNAVAILABLE')
  nowMs = 25 * 3_600_000
  await t.rejects(keys.toSeal('a', day, 1), { code: 'KEY_UNAVAILABLE' }, 'but not for ever')
})

test('keys are made ahead for today and tomorrow: a key service that is away over midnight is not missed', needsServices, async (t) => {
  const { owner, ingest } = await openBoth(t)
  await owner.query("INSERT INTO device (id, state, tenant) VALUES (gen_random_uuid(), 'active', 'a')")
  const service = await startKeyService(t, await createPki(t))
  const client = httpsKeyService({ url: service.url, caFile: service.caFile, tokenFile: service.tokenFile, deadlineMs: 3_000 })
  t.teardown(() => { client.close() })
  let nowMs = Date.parse('2026-01-31T18:00:00Z')
  const keys = new DataKeys({ database: ingest, keys: client, clock: () => nowMs })
  const { log } = quietObservability()
  const ahead = keepKeysAhead({ database: ingest, keys, log, now: () => nowMs, everyMs: 3_600_000 })
  t.teardown(() => ahead.close())
  t.equal(await ahead.turn(), 4, 'with and without a tenant, two days')
  service.mode = 'fail'
  nowMs = Date.parse('2026-02-01T17:00:00Z')
  for (const tenant of ['', 'a']) await t.resolves(keys.toSeal(tenant, '2026-02-01', 5), 'it is there already')
  await t.rejects(ahead.turn(), { code: 'KEY_UNAVAILABLE' })
  service.mode = 'ok'
  while (await ahead.turn().catch(() => 0) !== 4) await new Promise((resolve) => setTimeout(resolve, 50))
  await ahead.turn()
  const { rows } = await owner.query("SELECT tenant, day::text FROM data_key WHERE purpose = 'quarantine' ORDER BY day, tenant")
  t.strictSame(rows, ['2026-01-31', '2026-02-01', '2026-02-02'].flatMap((on) => [{ tenant: '', day: on }, { tenant: 'a', day: on }]), 'each is made once')
})

test('rotation: old master keys still open until it is done, then the new one opens all, and a stopped one goes on [C13]', needsServices, async (t) => {
  const { owner } = await openBoth(t)
  const [before, after] = [localKeyService(randomBytes(32)), localKeyService(randomBytes(32))]
  const old = new DataKeys({ database: owner, keys: before })
  const boxes = new Map<number, Buffer>()
  for (let n = 0; n < 130; n++) {
    const { id, key } = await old.toSeal(`tenant ${n}`, day, 1)
    boxes.set(id, seal(key, 1, Buffer.from(`${n}`), bind([])))
  }
  const opensAll = async (keys: DataKeys): Promise<boolean> => {
    let n = 0
    for (const [id, box] of boxes) if (open((await keys.toOpen(id)).key, box, bind([])).toString() !== `${n++}`) return false
    return true
  }
  const ring = keyRing(after, [before])
  t.ok(await opensAll(new DataKeys({ database: owner, keys: ring })), 'before')
  const stopped = await openRotation(owner, ring)
  t.equal(stopped.total, 130)
  t.match(await stopped.next(), { moved: 100 })
  t.ok(await opensAll(new DataKeys({ database: owner, keys: ring })), 'in the middle')
  const lost = await openRotation(owner, after)
  t.strictSame((await lost.next())?.left, new Map([[await before.id(), 30]]), 'without the old key the rest is named, not broken')
  const again = await openRotation(owner, ring)
  t.match(await again.next(), { moved: 30 })
  t.equal(await again.next(), null)
  t.ok(await opensAll(new DataKeys({ database: owner, keys: after })), 'after: without the old master key')
  t.equal((await openRotation(owner, ring)).total, 0)
  await t.rejects(new DataKeys({ database: owner, keys: before }).toOpen([...boxes.keys()][0] ?? 0), { code: 'KEY_MASTER_UNKNOWN' }, 'and the old one opens nothing')
})

test('destruction by tenant and days; a worker that holds the key in memory takes another for what comes [C13]', needsServices, async (t) => {
  const { owner, ingest } = await openBoth(t)
  const keys = new DataKeys({ database: ingest, keys: localKeyService(randomBytes(32)) })
  const made = new Map<string, number>()
  for (const tenant of ['a', 'b']) for (const on of ['2026-01-01', '2026-01-02', '2026-01-03']) made.set(`${tenant} ${on}`, (await keys.toSeal(tenant, on, 1)).id)
  const selection = { kind: 'quarantine', tenant: 'a', fromDay: '2026-01-02', toDay: '2026-01-03' } as const
  t.strictSame(await countKeys(owner, selection), { keys: 2, messages: 0 })
  t.equal(await destroyKeys(owner, selection), 2)
  t.equal(await destroyKeys(owner, selection), 0)
  const fresh = new DataKeys({ database: ingest, keys: localKeyService(randomBytes(32)) })
  await t.rejects(fresh.toOpen(made.get('a 2026-01-02') ?? 0), { code: 'KEY_DESTROYED' })
  await t.rejects(fresh.toOpen(made.get('a 2026-01-01') ?? 0), { code: 'KEY_MASTER_UNKNOWN' }, 'those beside it are there')
  keys.forget([made.get('a 2026-01-02') ?? 0])
  t.not((await keys.toSeal('a', '2026-01-02', 1)).id, made.get('a 2026-01-02'))
  const { rows } = await owner.query('SELECT count(*)::int AS n FROM data_key WHERE wrapped IS NULL')
  t.strictSame(rows, [{ n: 2 }], 'nothing of them is left')
})

test('the bound of a key holds against the login of a worker: it can neither count down nor bring a key in twice', needsServices, async (t) => {
  const { owner, ingest } = await openBoth(t)
  const keys = new DataKeys({ database: ingest, keys: localKeyService(randomBytes(32)) })
  const { id } = await keys.toSeal('a', day, 1)
  const refused = (statement: string, code: string): Promise<unknown> => t.rejects(ingest.query(statement, [id]), { code }, statement)
  await refused('UPDATE data_key SET messages = 0 WHERE id = $1', '23514')
  await refused('UPDATE data_key SET messages = messages - 1 WHERE id = $1', '23514')
  await refused('UPDATE data_key SET messages = 67108865 WHERE id = $1', '23514')
  await refused('UPDATE data_key SET wrapped = NULL, destroyed_at = now() WHERE id = $1', '42501')
  const again = (columns: string): string => `INSERT INTO data_key (purpose, ${columns}, master, wrapped) SELECT purpose, ${columns}, master, wrapped FROM data_key WHERE id = $1`
  await refused(again('tenant, day'), '23505')
  await refused(again('tenant, day, created_at'), '42501')
  await t.resolves(ingest.query('UPDATE data_key SET messages = messages + 1 WHERE id = $1', [id]), 'up it may go')
  const { rows } = await owner.query('SELECT count(*)::int AS n, max(messages)::int AS most FROM data_key')
  t.strictSame(rows, [{ n: 1, most: 2 ** 16 + 1 }])
})

test('retention destroys no key that a batch is sealing with, and none under which one has been committed', needsServices, async (t) => {
  const { owner, ingest } = await openBoth(t)
  const keys = new DataKeys({ database: ingest, keys: localKeyService(randomBytes(32)) })
  const old = '2025-01-31'
  const { id } = await keys.toSeal('', old, 1)
  const retain = async (): Promise<unknown> => (await ingest.query("SELECT retain_keys(INTERVAL '30 days') AS n")).rows
  await ingest.transaction(async (client) => {
    await holdKeys(client, [{ key: id }])
    t.strictSame(await retain(), [{ n: 0 }], 'it is held')
    await client.query(`INSERT INTO quarantine (received_at, last_received_at, publisher, kind, reason, payload, digest, key)
      VALUES ($2, now(), gen_random_uuid(), 'telemetry', 'not-cbor', 'x', sha256(''), $1)`, [id, old])
  })
  t.strictSame(await retain(), [{ n: 0 }], 'a message lies under it')
  await owner.query('DELETE FROM quarantine')
  t.strictSame(await retain(), [{ n: 1 }])
  t.strictSame((await owner.query('SELECT wrapped FROM data_key')).rows, [{ wrapped: null }])
  const holding = ingest.transaction((client) => holdKeys(client, [{ key: id }]))
  await t.rejects(holding, { code: 'KEY_DESTROYED' }, 'a worker that has it in memory is told, and takes another')
  await t.rejects(ingest.query("SELECT retain_keys(INTERVAL '1 hour')"), { code: '22023' })
})
