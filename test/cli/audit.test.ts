// The audit trail on the command line: list, verify, export, rotate; and the reads of others that must not happen unrecorded.
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { access, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test, type Test } from 'tap'
import { auditCommand } from '../../cli/audit.ts'
import { completenessCommand } from '../../cli/completeness.ts'
import { operatorAgent } from '../../cli/actor.ts'
import { quarantineCommand } from '../../cli/quarantine.ts'
import { trailProgress } from '../../cli/audit-progress.ts'
import { auditFolder } from '../../ingest/audit/folder.ts'
import { type AuditRow } from '../../ingest/audit/list.ts'
import { type VerifyReport } from '../../ingest/audit/check.ts'
import { ensureFolder } from '../../ingest/audit/folder.ts'
import { openDatabase } from '../../ingest/database.ts'
import { deliverBytes, deviceId } from '../fixtures/deliveries.ts'
import { testFolder } from '../fixtures/folder.ts'
import { ingestBench } from '../fixtures/ingest.ts'
import { type Login, temporaryLogin } from '../fixtures/logins.ts'
import { type CommandResult, type Command, runCommand } from '../fixtures/run-command.ts'
import { needsServices } from '../services/skip.ts'

async function setUp (t: Test) {
  const bench = await ingestBench(t)
  const { send } = bench.start()
  await send(deliverBytes(deviceId(1), 'telemetry', Buffer.from([0xff])), deliverBytes(deviceId(1), 'telemetry', Buffer.from([0x1c])))
  const base = testFolder(t)
  const folder = auditFolder(join(base, 'audit'))
  const run = (make: (write: (text: string) => void) => Command, ...words: string[]): Promise<CommandResult> =>
    runCommand(make, ...words, '--database-url', bench.url, '--audit-dir', folder.directory)
  const trail = async (...words: string[]): Promise<AuditRow[]> => JSON.parse((await run(auditCommand, 'list', '--json', ...words)).out) as AuditRow[]
  return { ...bench, base, folder, run, trail }
}

test('every look into quarantine and its failures are in the trail: who, what, why, how it ended [C10]', needsServices, async (t) => {
  const { run, trail, folder } = await setUp(t)
  await run(quarantineCommand, 'list', '--reason', 'not-cbor', '--purpose', 'ticket 4711')
  await run(quarantineCommand, 'reasons')
  t.match(await run(quarantineCommand, 'show', '1', '--purpose', 'ticket 4711'), { out: /00000 +[0-9a-f]{2}/ })
  await t.rejects(run(quarantineCommand, 'show', '99'), { code: 'QUARANTINE_UNKNOWN' })
  await run(quarantineCommand, 'replay', '1', '--dry-run')
  await run(completenessCommand, deviceId(1), '--purpose', 'gaps')
  const rows = (await trail()).reverse()
  const { id } = operatorAgent()
  t.match(rows, [
    { type: 'quarantine', subtype: 'listed', action: 'R', outcome: 'success', agent: id, agentRole: 'operator', purpose: 'ticket 4711', detail: { reasons: 'not-cbor', listed: 2 } },
    { type: 'quarantine', subtype: 'listed', detail: { counts: true } },
    { type: 'quarantine', subtype: 'viewed', entityType: 'quarantine', entity: '1', purpose: 'ticket 4711', detail: { publisher: deviceId(1), reason: 'not-cbor' } },
    { type: 'quarantine', subtype: 'viewed', entity: '99', outcome: 'minor-failure', reason: 'QUARANTINE_UNKNOWN', purpose: null },
    { type: 'quarantine', subtype: 'replayed', action: 'E', detail: { ids: '1', dryRun: true, phase: 'begun' } },
    { type: 'quarantine', subtype: 'replayed', detail: { phase: 'done', quarantined: 1 } },
    { type: 'data', subtype: 'read', entityType: 'device', entity: deviceId(1), purpose: 'gaps', detail: { what: 'completeness' } }
  ])
  t.match(await trail('--type', 'audit'), [{ subtype: 'listed' }], 'that the trail was listed is in it, before this list')
  t.equal((await trail('--entity', deviceId(1), '--since', '1h')).length, 1)
  t.strictSame((await trail('--about', deviceId(1))).map(({ type, subtype }) => `${type} ${subtype}`), ['data read', 'quarantine viewed'], 'also where it is but named')
  t.equal((await trail('--agent', 'nobody')).length, 0)
  t.match(await run(auditCommand, 'list', '--limit', '2'), { out: /number +time[^]*there may be more: --before \d+/ })
  await t.rejects(access(folder.directory), { code: 'ENOENT' }, 'a command makes no key')
})

test('what cannot be recorded is not shown [C10]', needsServices, async (t) => {
  const { run, owner } = await setUp(t)
  await owner.query('ALTER TABLE audit RENAME TO audit_gone')
  for (const words of [['show', '1'], ['list'], ['reasons'], ['replay', '1']]) {
    let shown = ''
    await t.rejects(run((write) => quarantineCommand((text) => { shown += text; write(text) }), ...words), { code: 'AUDIT_UNAVAILABLE' }, words.join(' '))
    t.equal(shown, '', 'not a byte')
  }
  t.strictSame((await owner.query('SELECT count(*)::int AS rows FROM quarantine WHERE replayed_at IS NOT NULL')).rows, [{ rows: 0 }], 'nothing was replayed')
  await t.rejects(run(completenessCommand, deviceId(1)), { code: 'AUDIT_UNAVAILABLE' })
})

test('verify tells a whole trail from one that was changed, by its exit code, and the result is in the trail [C11]', needsServices, async (t) => {
  const { run, trail, folder, owner } = await setUp(t)
  await ensureFolder(folder)
  for (let i = 0; i < 5; i++) await run(quarantineCommand, 'show', '1')
  const whole = await run(auditCommand, 'verify')
  t.match(whole, { code: 0, out: /^whole: 5 rows, the last one is 5[^]*signed up to row 5 \(5 heads\)/ })
  await owner.query('ALTER TABLE audit DISABLE TRIGGER audit_append_only')
  await owner.query('DELETE FROM audit WHERE number = 3')
  t.match(await run(auditCommand, 'verify'), { code: 1, out: /^NOT whole[^]*the first at row 3[^]*removed +row 3 is missing/ })
  const json = await run(auditCommand, 'verify', '--json')
  t.match(JSON.parse(json.out), { ok: false, firstBad: 3, faults: [{ kind: 'removed', number: 3 }] })
  t.match(await trail('--type', 'audit'), [
    { subtype: 'verified', outcome: 'serious-failure', reason: 'removed', detail: { firstBad: 3, faults: 1 } }, { subtype: 'verified', outcome: 'serious-failure' },
    { subtype: 'verified', outcome: 'success', detail: { rows: 5, faults: 0 } }])
})

test('an export is verified without a database, with a key from elsewhere, and with openssl', needsServices, async (t) => {
  const { run, base, folder, trail } = await setUp(t)
  const keyless = await runCommand(auditCommand, 'verify', '--file', 'x')
  t.match(keyless, { code: 2, err: /--file needs --public-key/ })
  await ensureFolder(folder)
  for (let i = 0; i < 4; i++) await run(quarantineCommand, 'list')
  t.match(await run(auditCommand, 'rotate-key', '--purpose', 'yearly'), { code: 0, out: /heads are signed by/ })
  await run(quarantineCommand, 'list')
  const file = join(base, 'audit.ndjson')
  await run(auditCommand, 'export', '--out', file, '--purpose', 'yearly review')
  t.equal((await stat(file)).mode & 0o777, 0o600)
  await t.rejects(run(auditCommand, 'export', '--out', file), { code: 'EXPORT_EXISTS' }, 'nothing is overwritten')
  await t.rejects(run(auditCommand, 'export', '--out', join(base, 'none', 'x')), { code: 'EXPORT_FAILED', message: /ENOENT/ })
  const verify = async (path: string): Promise<VerifyReport> => JSON.parse((await runCommand(auditCommand, 'verify', '--json', '--file', path, '--public-key', folder.publicKey)).out) as VerifyReport
  t.match(await verify(file), { ok: true, rows: 8, signedTo: 7, faults: [] }, 'the key before the rotation is trusted through the new one')
  t.match(await trail('--type', 'key'), [{ subtype: 'rotated', detail: { phase: 'done' } }, { subtype: 'rotated', purpose: 'yearly', detail: { phase: 'begun' } }])

  const text = await readFile(file, 'utf8')
  const lines = text.trimEnd().split('\n')
  const copy = join(base, 'copy.ndjson')
  const changed = async (what: string): Promise<unknown> => { await writeFile(copy, what); return (await verify(copy)).faults.map(({ kind }) => kind) }
  t.strictSame(await changed(lines.slice(0, -2).join('\n')), ['truncated', 'truncated'], 'an end that is missing, by the first line and by a signed head')
  t.strictSame(await changed(text.replace(/"limit\\*":50|not-cbor|"listed\\*"/, '"viewed\\"')), ['altered'])
  t.strictSame(await changed(lines.filter((line) => !line.startsWith('{"row":{"number":2')).join('\n')), ['removed'])
  const headLines = lines.filter((line) => line.startsWith('{"head"'))
  t.ok(headLines.length > 1)
  for (const removed of headLines) t.strictSame(await changed(lines.filter((line) => line !== removed).join('\n')), ['heads-missing'], 'a signed head that is missing')
  t.strictSame(await changed(lines.flatMap((line) => line === headLines[0] ? [] : line === headLines[1] ? [line, line] : [line]).join('\n')), ['heads-missing'], 'also when another stands in its place')
  t.strictSame(await changed(text.replace(/,"heads":\d+/, '')), [], 'an export of the first versions did not say how many')
  await writeFile(copy, 'nonsense')
  await t.rejects(verify(copy), { code: 'AUDIT_EXPORT_INVALID', message: /line 1/ })
  const other = auditFolder(join(base, 'other'))
  await ensureFolder(other)
  const foreign = await runCommand(auditCommand, 'verify', '--json', '--file', file, '--public-key', other.publicKey)
  t.match({ code: foreign.code, kinds: (JSON.parse(foreign.out) as VerifyReport).faults.map(({ kind }) => kind) }, { code: 1, kinds: ['unknown-key', 'unknown-key', 'no-heads'] })

  // as docs/security/audit.md does it
  const parsed = lines.map((line) => JSON.parse(line) as { head?: { number: number, hash: string, atMs: number, key: string, signature: string }, row?: { number: number, hash: string, event: string } })
  let before = Buffer.alloc(32)
  for (const { row } of parsed) {
    if (row === undefined) continue
    before = createHash('sha256').update('pulsegate audit v1\n').update(before).update(row.event).digest()
    t.equal(before.toString('hex'), row.hash)
  }
  const head = parsed.findLast((line) => line.head !== undefined)?.head
  await writeFile(join(base, 'statement'), `pulsegate audit head v1\n{"atMs":${head?.atMs},"hash":"${head?.hash}","key":"${head?.key}","number":${head?.number}}`)
  await writeFile(join(base, 'signature'), Buffer.from(head?.signature ?? '', 'base64'))
  t.match(execFileSync('openssl', ['pkeyutl', '-verify', '-pubin', '-inkey', folder.publicKey, '-rawin', '-in', join(base, 'statement'), '-sigfile', join(base, 'signature')]).toString(), /Verified Successfully/)
})

test('an auditor\'s login lists and verifies, and that is recorded', needsServices, async (t) => {
  const { url, owner, folder } = await setUp(t)
  const name = `auditor_${process.pid}`
  await owner.query(`CREATE ROLE ${name} LOGIN PASSWORD 'x' IN ROLE pulsegate_auditor`)
  t.teardown(async () => {
    const database = openDatabase(url)
    await database.query(`DROP ROLE ${name}`)
    await database.close()
  })
  const theirs = new URL(url)
  theirs.username = name
  theirs.password = 'x'
  const run = (...words: string[]): Promise<CommandResult> => runCommand(auditCommand, ...words, '--database-url', theirs.href, '--audit-dir', folder.directory)
  t.match(await run('list'), { out: /nothing was recorded/ })
  t.match(await run('verify'), { code: 1, out: /no-heads/ })
  t.match(await run('list'), { out: /audit verified/ })
})

test('a login that only reads shows nothing unrecorded, and is told what it lacks [C10]', needsServices, async (t) => {
  const { url, owner, folder } = await setUp(t)
  const reader = await temporaryLogin(t, url, ['pulsegate_reader'])
  const both = await temporaryLogin(t, url, ['pulsegate_reader', 'pulsegate_auditor'])
  let shown = ''
  const asked = (login: Login): Promise<CommandResult> =>
    runCommand((write) => completenessCommand((text) => { shown += text; write(text) }), deviceId(1), '--database-url', login.url, '--audit-dir', folder.directory)
  await t.rejects(asked(reader), { code: 'AUDIT_UNAVAILABLE', message: /this login may not add to the audit trail.*pulsegate_auditor/ })
  t.equal(shown, '', 'not a byte')
  await asked(both)
  t.not(shown, '')
  t.strictSame((await owner.query('SELECT type, subtype, outcome FROM audit')).rows, [{ type: 'data', subtype: 'read', outcome: 'success' }])
})

test('progress: a line in a while, the same one on a terminal', async (t) => {
  const said: string[] = []
  let nowMs = 0
  const plain = trailProgress('verifying', { terminal: false, write: (text) => { said.push(text) }, clock: () => nowMs })
  plain.show(1, 10)
  nowMs = 5_000
  plain.show(500_000, 1_000_000)
  plain.end()
  const terminal = trailProgress('verifying', { terminal: true, write: (text) => { said.push(text) }, clock: () => nowMs })
  nowMs = 5_200
  terminal.show(0, 0)
  terminal.end()
  t.match(said, ['verifying: 500 000 of 1 000 000 rows (50 %)\n', /^\rverifying: 0 of 0/, /^\r +\r$/])
})
