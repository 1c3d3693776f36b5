// Every way to tamper with the trail is found, and named by kind and number.
import { createPublicKey, generateKeyPairSync } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import { Readable } from 'node:stream'
import { test, type Test } from 'tap'
import { emptyChain, linkHash } from '../../../ingest/audit/chain.ts'
import { exportTrail } from '../../../ingest/audit/export.ts'
import { type Fault } from '../../../ingest/audit/faults.ts'
import { readSigningKey, rotateKey } from '../../../ingest/audit/folder.ts'
import { type SignedHead, signHead } from '../../../ingest/audit/heads.ts'
import { verifyExport } from '../../../ingest/audit/verify-export.ts'
import { verifyTrail } from '../../../ingest/audit/verify.ts'
import { type Database } from '../../../ingest/database.ts'
import { type AuditBench, auditBench } from '../../fixtures/audit.ts'
import { needsServices } from '../../services/skip.ts'

/** Thirty rows, with heads signed at 10, 20 and 30. */
async function signedTrail (t: Test): Promise<AuditBench> {
  const bench = await auditBench(t)
  const signer = await bench.signer()
  for (let part = 0; part < 3; part++) {
    await bench.fill(10)
    await signer.sign()
  }
  return bench
}

async function insertHead (database: Database, { number, hash, atMs, key, signature }: SignedHead): Promise<void> {
  await database.query('INSERT INTO audit_head (number, hash, at_ms, key, signature) VALUES ($1, $2, $3, $4, $5)', [number, Buffer.from(hash, 'hex'), atMs, key, Buffer.from(signature, 'base64')])
}

async function faultsOf ({ owner, folder }: AuditBench): Promise<Array<Pick<Fault, 'kind' | 'number'>>> {
  const { faults, ok } = await verifyTrail({ database: owner, folder })
  if (ok !== (faults.length === 0)) throw new Error('ok and faults disagree')
  return faults.map(({ kind, number }) => ({ kind, number }))
}

test('a trail that nobody touched is whole', needsServices, async (t) => {
  const bench = await signedTrail(t)
  const progress: number[] = []
  const report = await verifyTrail({ database: bench.owner, folder: bench.folder, onProgress: (done) => { progress.push(done) } })
  t.match(report, { ok: true, rows: 30, firstNumber: 1, lastNumber: 30, heads: 3, signedTo: 30, firstBad: null, faults: [] })
  t.strictSame(progress, [30])
})

const tamperings: Array<[name: string, statements: string[], expected: Array<Pick<Fault, 'kind' | 'number'>>]> = [
  ['a row whose text was altered', ["UPDATE audit SET event = replace(event, '\"id\":\"tester@here\"', '\"id\":\"nobody@here\"') WHERE number = 7"], [{ kind: 'altered', number: 7 }]],
  ['a column that says something else than the text',
    ['ALTER TABLE audit ALTER COLUMN agent DROP EXPRESSION', "UPDATE audit SET agent = 'nobody@here' WHERE number = 12"], [{ kind: 'altered', number: 12 }]],
  ['the time of a row, by a microsecond',
    ['ALTER TABLE audit ALTER COLUMN recorded DROP EXPRESSION', "UPDATE audit SET recorded = recorded + INTERVAL '1 microsecond' WHERE number = 2"], [{ kind: 'altered', number: 2 }]],
  ['an event id that was exchanged', ['UPDATE audit SET id = gen_random_uuid() WHERE number = 3'], [{ kind: 'altered', number: 3 }]],
  ['a row removed in the middle', ['DELETE FROM audit WHERE number BETWEEN 14 AND 15'], [{ kind: 'removed', number: 14 }]],
  ['the first row removed', ['DELETE FROM audit WHERE number = 1'], [{ kind: 'removed', number: 1 }]],
  ['the tail cut off', ['DELETE FROM audit WHERE number > 25'], [{ kind: 'truncated', number: 26 }]],
  ['everything removed', ['DELETE FROM audit'], [{ kind: 'truncated', number: 1 }]],
  ['two rows exchanged', ['UPDATE audit SET number = 1000 WHERE number = 5', 'UPDATE audit SET number = 5 WHERE number = 6', 'UPDATE audit SET number = 6 WHERE number = 1000'],
    [{ kind: 'altered', number: 5 }, { kind: 'reordered', number: 5 }, { kind: 'altered', number: 6 }, { kind: 'reordered', number: 6 }, { kind: 'altered', number: 7 }]],
  ['the heads in the table altered', ["UPDATE audit_head SET hash = sha256('') WHERE number = 20"],
    [{ kind: 'bad-signature', number: null }]]
]

for (const [name, statements, expected] of tamperings) {
  test(`found: ${name} [C11]`, needsServices, async (t) => {
    const bench = await signedTrail(t)
    await bench.tamper(...statements)
    t.strictSame(await faultsOf(bench), expected)
  })
}

test('found: rows removed and the others renumbered [C11]', needsServices, async (t) => {
  const bench = await signedTrail(t)
  await bench.tamper('DELETE FROM audit WHERE number = 28', 'UPDATE audit SET number = number - 1 WHERE number = 29', 'UPDATE audit SET number = number - 1 WHERE number = 30')
  const faults = await faultsOf(bench)
  t.strictSame(faults[0], { kind: 'altered', number: 28 })
  t.ok(faults.some(({ kind, number }) => kind === 'reordered' && number === 28))
  t.ok(faults.some(({ kind }) => kind === 'truncated'))
})

test('found: rows written anew with hashes that agree with one another, by the signed heads [C11]', needsServices, async (t) => {
  const bench = await signedTrail(t)
  const { rows } = await bench.owner.query<{ number: number, event: string, hash: Buffer }>('SELECT number::int, event, hash FROM audit ORDER BY number')
  await bench.tamper()
  let before = emptyChain.hash
  for (const { number, event, hash } of rows) {
    const forged = number === 15 ? event.replace('tester@here', 'nobody@here') : event
    before = number < 15 ? hash : linkHash(before, forged)
    await bench.owner.query('UPDATE audit SET event = $2, hash = $3 WHERE number = $1', [number, forged, before])
  }
  t.strictSame(await faultsOf(bench), [{ kind: 'rewritten', number: 11 }, { kind: 'rewritten', number: 11 }], 'between the last head that agrees and the first that does not')
  await bench.owner.query('DELETE FROM audit_head WHERE number > 10')
  t.strictSame(await faultsOf(bench), [{ kind: 'rewritten', number: 11 }, { kind: 'rewritten', number: 11 }], 'the file outside of the database knows')
})

test('found: an altered, a shortened and a missing file of heads [C11]', needsServices, async (t) => {
  const bench = await signedTrail(t)
  const text = await readFile(bench.folder.heads, 'utf8')
  await writeFile(bench.folder.heads, text.replace('"number":20', '"number":21'))
  t.strictSame(await faultsOf(bench), [{ kind: 'bad-signature', number: null }, { kind: 'heads-missing', number: null }])
  await writeFile(bench.folder.heads, text.replace('"number":20', '"nmber":20'))
  t.strictSame(await faultsOf(bench), [{ kind: 'bad-signature', number: null }, { kind: 'heads-missing', number: null }])
  await writeFile(bench.folder.heads, text.split('\n').slice(0, 1).join('\n'))
  t.strictSame(await faultsOf(bench), [{ kind: 'heads-missing', number: null }, { kind: 'heads-missing', number: null }])
  await writeFile(bench.folder.heads, `${text}{"number":31,"ha`)
  t.strictSame(await faultsOf(bench), [], 'a line that a power cut tore vouches for nothing, and is nobody\'s fault')
})

test('found: a head by a wrong key, and a folder that knows none [C11]', needsServices, async (t) => {
  const bench = await signedTrail(t)
  const { privateKey } = generateKeyPairSync('ed25519')
  const { rows: [row] } = await bench.owner.query<{ hash: Buffer }>('SELECT hash FROM audit WHERE number = 30')
  const forged = signHead({ number: 30, hash: row?.hash ?? Buffer.alloc(32) }, Date.now(), privateKey)
  await insertHead(bench.ingest, forged)
  t.match(await verifyTrail({ database: bench.owner, folder: bench.folder }), { ok: true, faults: [], notices: [/key [0-9a-f]{32}, which is not known here/] }, 'it vouches for nothing, which whoever may sign could have put there')
  await writeFile(bench.folder.heads, '')
  await writeFile(bench.folder.keys, '')
  const kinds = (await faultsOf(bench)).map(({ kind }) => kind)
  t.strictSame(kinds, ['unknown-key', 'unknown-key', 'no-heads'], 'nothing is vouched for')
})

test('a head that any login could have put into the table spoils nothing; one that contradicts the rows is found', needsServices, async (t) => {
  const bench = await signedTrail(t)
  const text = await readFile(bench.folder.heads, 'utf8')
  const own = JSON.parse(text.split('\n')[0] ?? '') as SignedHead
  const junk = { ...own, atMs: own.atMs + 1 }
  await insertHead(bench.ingest, junk)
  const report = await verifyTrail({ database: bench.owner, folder: bench.folder })
  t.match(report, { ok: true, signedTo: 30, faults: [], notices: [/1 head .* did not sign/] })
  const lines: string[] = []
  for await (const piece of exportTrail({ database: bench.owner, folder: bench.folder })) lines.push(...piece.trimEnd().split('\n'))
  const publicKeys = [createPublicKey(await readSigningKey(bench.folder))]
  t.match(await verifyExport({ lines: Readable.from(lines), publicKeys }), { ok: true, signedTo: 30, notices: [/did not sign/] }, 'nor an export')
  await bench.tamper('DELETE FROM audit WHERE number = 10')
  t.strictSame(await faultsOf(bench), [{ kind: 'removed', number: 10 }, { kind: 'bad-signature', number: null }])
})

test('a rotated key: old heads stay good, the new key is trusted by the old one\'s signature and the other way round', needsServices, async (t) => {
  const bench = await signedTrail(t)
  const signer = await bench.signer()
  const record = await rotateKey(bench.folder)
  await bench.fill(5)
  t.match(await signer.sign(), { number: 35, key: record.key })
  t.strictSame(await faultsOf(bench), [])
  const text = await readFile(bench.folder.keys, 'utf8')
  await writeFile(bench.folder.keys, text.replace(/"signedByPrevious":"./, '"signedByPrevious":"_'))
  t.strictSame((await faultsOf(bench)).map(({ kind }) => kind), ['bad-signature', 'unknown-key'], 'a successor that the old key did not sign is none')
})

test('a signer does not vouch for a trail that is not what it signed', needsServices, async (t) => {
  const bench = await signedTrail(t)
  await bench.tamper('DELETE FROM audit WHERE number > 25')
  await bench.fill(10)
  const signer = await bench.signer()
  t.equal(await signer.sign(), null)
  t.match(signer.check(), { ready: true, reason: /row 30 is not what was signed/ })
  t.match(await faultsOf(bench), [{ kind: 'rewritten', number: 21 }])
})
