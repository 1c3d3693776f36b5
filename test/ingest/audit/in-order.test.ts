// Whoever may append may append the next rows and nothing else: every login that can insert is tried with what it must not insert.
import { createHash, randomUUID } from 'node:crypto'
import fc from 'fast-check'
import { test } from 'tap'
import { append } from '../../../ingest/audit/append.ts'
import { canonicalJson, type Json, type JsonObject } from '../../../ingest/audit/canonical.ts'
import { chainRows, emptyChain, type Head, linkHash } from '../../../ingest/audit/chain.ts'
import { stamp } from '../../../ingest/audit/event.ts'
import { verifyTrail } from '../../../ingest/audit/verify.ts'
import { type Database, type DatabaseRole, openDatabase } from '../../../ingest/database.ts'
import { auditBench, viewed } from '../../fixtures/audit.ts'
import { needsServices } from '../../services/skip.ts'

const source = { node: 'test', version: '0' }
const denied = '42501'
const malformed = '23514'

interface Row extends Head { readonly id: string, readonly text: string }

/** Plain SQL, as whoever has the login's password could write it. */
function insert (database: Database, rows: readonly Row[]): Promise<string> {
  const values: unknown[] = []
  const tuples = rows.map(({ number, id, hash, text }) => `(${[number, id, hash, text].map((value) => `$${values.push(value)}`).join(', ')})`)
  return codeOf(database.query(`INSERT INTO audit (number, id, hash, event) VALUES ${tuples.join(', ')}`, values))
}

function insertHead (database: Database, { number, hash }: Head, { atMs = 1_700_000_000_000, key = 'ab'.repeat(16) }: { atMs?: number | string, key?: string } = {}): Promise<string> {
  return codeOf(database.query('INSERT INTO audit_head (number, hash, at_ms, key, signature) VALUES ($1, $2, $3, $4, $5)', [number, hash, atMs, key, Buffer.alloc(64)]))
}

function codeOf (work: Promise<unknown>): Promise<string> {
  return work.then(() => 'yes', (error: unknown) => String((error as { code?: string }).code))
}

const next = (head: Head, count = 1): Row[] => chainRows(head, Array.from({ length: count }, (_, i) => stamp(viewed(i), source)))
const numbered = (row: Row, number: number): Row => ({ ...row, number })

for (const role of ['pulsegate_ingest', 'pulsegate_broker', 'pulsegate_auditor', undefined] as Array<DatabaseRole | undefined>) {
  const who = role ?? 'the owner'
  test(`${who} adds the next rows to the trail, and no others [C11]`, needsServices, async (t) => {
    const { url, owner, folder, ingest, fill, signer } = await auditBench(t)
    await fill(3)
    const login = openDatabase(url, { ...(role !== undefined && { role }), poolSize: 2, statementTimeoutMs: 5_000 })
    t.teardown(() => login.close())
    const { rows: [last] } = await owner.query<Head>('SELECT number::int, hash FROM audit ORDER BY number DESC LIMIT 1')
    const head = last ?? emptyChain
    const [one, two, three] = next(head, 3) as [Row, Row, Row]
    const refusedRows: Array<[string, Row[]]> = [
      ['a huge number', [{ ...one, number: Number.MAX_SAFE_INTEGER }]],
      ['a gap', [two]],
      ['a gap within a statement', [one, three]],
      ['a number that is taken', [{ ...one, number: 2 }]],
      ['a beginning of its own', next(emptyChain)],
      ['a hash that does not follow', [{ ...one, hash: createHash('sha256').digest() }]],
      ['a second hash that does not follow', [one, { ...two, hash: one.hash }]],
      ['a text that the hash is not of', [{ ...one, text: two.text }]],
      ['another number in the text', [numbered({ ...two, hash: linkHash(head.hash, two.text) }, one.number)]],
      ['another id than the text', [{ ...one, id: randomUUID() }]]
    ]
    for (const [what, rows] of refusedRows) t.match(await insert(login, rows), /42501|23505|23514/, what)
    t.equal(await insert(login, [{ ...one, number: Number.MAX_SAFE_INTEGER }]), denied)
    t.equal(await codeOf(login.query('WITH a AS (INSERT INTO audit (number, id, hash, event) VALUES (4, $1, $2, $3)), b AS (INSERT INTO audit (number, id, hash, event) VALUES (6, $4, $5, $6)) SELECT',
      [one.id, one.hash, one.text, three.id, three.hash, three.text])), denied, 'nor by two parts of one statement')
    t.strictSame((await owner.query('SELECT max(number)::int AS last, count(*)::int AS rows FROM audit')).rows, [{ last: 3, rows: 3 }])

    t.equal(await insert(login, [two, one]), 'yes', 'the next ones, in whatever order they stand in the statement')
    t.match(await append(ingest, [stamp(viewed('after'), source)]), { written: 1, head: { number: 6 } }, 'the writer goes on')
    await (await signer()).sign()
    t.match(await verifyTrail({ database: owner, folder }), { ok: true, rows: 6, signedTo: 6 })
  })
}

test('nobody fills a hole, not even with the row that was there', needsServices, async (t) => {
  const { owner, ingest, fill, tamper } = await auditBench(t)
  await fill(5)
  const { rows } = await owner.query<Row>('SELECT number::int, id, hash, event AS text FROM audit WHERE number = 3')
  await tamper('DELETE FROM audit WHERE number = 3')
  t.equal(await insert(ingest, rows), denied)
})

test('no head is added that is not of the chain, and its number cannot be chosen', needsServices, async (t) => {
  const { url, owner, fill } = await auditBench(t)
  await fill(3)
  const { rows: [row] } = await owner.query<Head>('SELECT number::int, hash FROM audit WHERE number = 2')
  const good = row ?? emptyChain
  for (const role of ['pulsegate_ingest', 'pulsegate_broker', 'pulsegate_auditor', undefined] as Array<DatabaseRole | undefined>) {
    const login = openDatabase(url, { ...(role !== undefined && { role }), poolSize: 1 })
    t.teardown(() => login.close())
    const who = role ?? 'the owner'
    t.equal(await insertHead(login, { ...good, number: 3 }), denied, `${who}: another row's hash`)
    t.equal(await insertHead(login, { ...good, number: 4 }), denied, `${who}: a row that is not there`)
    t.equal(await insertHead(login, { ...good, hash: Buffer.alloc(32) }), denied, `${who}: a hash that no row has`)
    t.equal(await insertHead(login, good, { atMs: '9223372036854775807' }), denied, `${who}: a time that is none`)
    t.equal(await insertHead(login, good, { key: '\u001b[2J' }), denied, `${who}: a key that is none`)
    if (role === undefined) continue
    t.equal(await codeOf(login.query("INSERT INTO audit_head (id, number, hash, at_ms, key, signature) OVERRIDING SYSTEM VALUE VALUES (2, 2, $1, 1, repeat('ab', 16), $2)", [good.hash, Buffer.alloc(64)])), denied, `${who}: an id of its own`)
    t.equal(await insertHead(login, good), role === 'pulsegate_auditor' ? denied : 'yes', `${who}: a head of the chain`)
  }
})

const badEvents: Array<[what: string, change: Record<string, unknown>]> = [
  ['no time', { atMs: undefined }],
  ['a time as text', { atMs: '1700000000000' }],
  ['half a millisecond', { atMs: 0.0001234 }],
  ['a time that float8 cannot tell from its neighbours', { atMs: 253_402_300_799_999 }],
  ['a count beyond what float8 holds', { count: 2 ** 60 }],
  ['a count as text', { count: '7' }],
  ['no count', { count: null }],
  ['a reason that is a number', { reason: 1e21 }],
  ['a purpose that is an object', { purpose: { a: 1 } }],
  ['an agent with a number for a name', { agent: { id: 1e21, role: 'operator' } }],
  ['an agent that is a list', { agent: ['a'] }],
  ['an agent without a name', { agent: { role: 'operator' } }],
  ['an entity with a list for a name', { entity: { type: 'device', id: ['a'] } }],
  ['no detail', { detail: null }],
  ['a detail within a detail', { detail: { a: { b: 1 } } }],
  ['details as a list', { detail: [1, 2] }],
  ['an action that is none', { action: 'X' }],
  ['200 kB', { detail: { a: 'x'.repeat(200_000) } }]
]

test('an event that no verifier could find good is not taken, and nobody has to suffer for it', needsServices, async (t) => {
  const { owner, ingest, folder, signer } = await auditBench(t)
  const { rows: [none] } = await owner.query('SELECT FROM audit')
  t.equal(none, undefined)
  for (const [what, change] of badEvents) t.match(await insert(ingest, [rowOf(change)]), /23514|22|23502/, what)
  t.equal(await insert(ingest, [rowOf({ detail: { a: [1] } })]), malformed, 'a fault of the row, so that the writer goes on with the others')
  t.equal(await insert(ingest, [rowOf({ later: { version: [1, 2] } })]), 'yes', 'what a later version may add')
  await (await signer()).sign()
  t.match(await verifyTrail({ database: owner, folder }), { ok: true, rows: 1 })
})

test('whatever the database takes, the verifier finds good', { ...needsServices, timeout: 120_000 }, async (t) => {
  const { owner, ingest, folder, signer } = await auditBench(t)
  const scalar = fc.oneof(fc.string({ unit: 'binary' }), fc.string(), fc.double(), fc.integer(), fc.bigInt().map((big) => ({ raw: String(big) })), fc.boolean(), fc.constant(null))
  const member = fc.oneof({ weight: 4, arbitrary: scalar }, fc.array(scalar, { maxLength: 2 }), fc.dictionary(fc.string(), scalar, { maxKeys: 2 }))
  const change = fc.oneof(
    fc.record({ atMs: fc.oneof(fc.integer({ min: 0, max: 7_258_118_400_000 }), fc.double(), member) }),
    fc.record({ count: fc.oneof(fc.integer(), member) }),
    fc.record({ detail: fc.oneof(fc.dictionary(fc.string(), member, { maxKeys: 4 }), member) }),
    fc.record({ reason: member, requestId: member }, { requiredKeys: [] }),
    fc.record({ entity: fc.record({ type: member, id: member, tenant: member }, { requiredKeys: [] }) }),
    fc.record({ agent: fc.record({ id: member, role: fc.constant('operator'), address: member }, { requiredKeys: ['id', 'role'] }) }))
  let head: Head = emptyChain
  let taken = 0
  await fc.assert(fc.asyncProperty(change, async (changes) => {
    const row = rowOf(changes, head)
    if (await insert(ingest, [row]) !== 'yes') return
    head = row
    taken++
  }), { numRuns: 400 })
  t.ok(taken > 60, `${taken} were taken`)
  await (await signer()).sign()
  t.match(await verifyTrail({ database: owner, folder }), { ok: true, rows: taken, faults: [] })
})

/** The next row, with `change` in its event; `{ raw }` stands for digits that no number of ours could write. */
function rowOf (change: Record<string, unknown>, head: Head = emptyChain): Row {
  const { id, fields } = stamp(viewed(1), source)
  const number = head.number + 1
  const text = textOf({ ...fields, ...change as JsonObject, number })
  return { number, id, hash: linkHash(head.hash, text), text }
}

function textOf (value: Json): string {
  return canonicalJson(value).replaceAll(/\{"raw":"(-?\d+)"\}/g, '$1')
}
