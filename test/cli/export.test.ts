// `pulsegate export`: who gets what, in the audit trail before it goes out, sealed, whole or not at all, unreadable once its key is gone.
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test, type Test } from 'tap'
import { exportCommand } from '../../cli/export.ts'
import { keysCommand } from '../../cli/keys.ts'
import { exportReadings } from '../../ingest/export/export.ts'
import { type Database } from '../../ingest/database.ts'
import { type AuditEvent, type AuditLog } from '../../runtime/audit.ts'
import { PulsegateError } from '../../runtime/errors.ts'
import { startCli } from '../fixtures/cli-process.ts'
import { deliver, deviceId, metricId, telemetry } from '../fixtures/deliveries.ts'
import { testFolder } from '../fixtures/folder.ts'
import { type Bench, count, ingestBench } from '../fixtures/ingest.ts'
import { runCommand } from '../fixtures/run-command.ts'
import { needsServices } from '../services/skip.ts'

const startMs = Date.UTC(2026, 9, 30, 23, 0)
const device = deviceId(1)

/** Five readings an hour over two days, of two devices; device 1 is subject A's until noon of the first day, then B's. */
async function ward (t: Test): Promise<Bench & { folder: string }> {
  const bench = await ingestBench(t)
  const { send } = bench.start()
  const samples = [0, 60_000, 120_000, 180_000, 240_000].map((dtMs) => ({ metric: metricId('heart-rate'), dtMs, value: 61, quality: 0 }))
  await send(...[1, 2].flatMap((n) => Array.from({ length: 48 }, (_, hour) =>
    deliver(deviceId(n), telemetry(hour, { header: { boot: 1n, seq: hour, baseTickMs: 0, baseWallMs: startMs + hour * 3_600_000 }, samples }), startMs + hour * 3_600_000 + 300_000))))
  await bench.owner.query(`INSERT INTO assignment (device, subject, period) SELECT key, 'A', '[2026-10-01, 2026-10-31 12:00+00)'::tstzrange FROM device WHERE id = $1
    UNION ALL SELECT key, 'B', '[2026-10-31 12:00+00,)'::tstzrange FROM device WHERE id = $1`, [device])
  return { ...bench, folder: testFolder(t) }
}

async function trail (owner: Database): Promise<string[]> {
  const { rows } = await owner.query<{ text: string }>("SELECT type || ' ' || subtype || ' ' || outcome || ' ' || coalesce(entity, '') || ' ' || coalesce(reason, '') AS text FROM audit WHERE type IN ('data', 'key') AND NOT (type = 'key' AND subtype = 'made') ORDER BY number")
  return rows.map(({ text }) => text.trim())
}

const period = ['--from', '2026-10-30', '--to', '2026-11-03']

test('a device, sealed and opened again; a subject, only while a device was assigned to it; each in the audit trail [C10] [C13]', needsServices, async (t) => {
  const { owner, url, folder } = await ward(t)
  const at = (name: string): string => join(folder, name)
  const run = (...words: string[]) => runCommand(exportCommand, ...words, '--database-url', url)
  const done = await run('device', device, ...period, '--output', at('one.pgx'), '--purpose', 'study 12', '--json')
  const { id, readings } = JSON.parse(done.out) as { id: string, readings: number }
  t.match({ code: done.code, readings }, { code: 0, readings: 240 })
  const file = readFileSync(at('one.pgx'))
  t.equal(statSync(at('one.pgx')).mode & 0o777, 0o600)
  t.notOk(file.includes('heart-rate') || file.includes(device), 'nothing of it is in the file')
  const open = startCli(t, 'export', 'open', at('one.pgx'), '--database-url', url)
  const { out } = await open.ended
  const lines = out.trim().split('\n').map((line) => JSON.parse(line) as { time: string, value: number, device: string })
  t.equal(lines.length, 240)
  t.match(lines[0], { time: '2026-10-30T23:00:00.000Z', value: 61, device })
  t.ok(lines.every(({ time }, n) => n === 0 || time > (lines[n - 1]?.time ?? '')), 'in the order of time, each once')

  t.match(await run('subject', 'A', ...period, '--output', at('a.csv'), '--format', 'csv', '--plain'), { code: 0, out: /^65 readings, .* in the clear/ })
  t.match(await run('subject', 'A', '--from', '2020-01-01', '--to', '2020-01-02', '--output', at('none.csv'), '--format', 'ndjson', '--plain'), { out: '0 readings, 0 bytes, in the clear\n' })
  t.match(await run('subject', 'A', '--from', '2026-10-30T23:00:00Z', '--to', '2026-10-30T23:00:01Z', '--output', at('single.csv'), '--plain'), { out: /^1 reading, / })
  t.match(await run('device', '--help'), { out: /Usage: export device <id> --from <time> --output <file> \[options\]/ })
  const csv = readFileSync(at('a.csv'), 'utf8').trim().split('\r\n')
  t.equal(csv.length, 66)
  t.ok((csv.at(-1) ?? '') < '2026-10-31T12', 'what was measured of somebody else is not in it')
  t.match(await run('subject', 'B', ...period, '--output', at('b.pgx')), { code: 0, out: /^175 readings/ })
  await t.rejects(run('subject', 'nobody', ...period, '--output', at('c.pgx')), { code: 'EXPORT_SUBJECT_UNKNOWN' })
  await t.rejects(run('device', device, ...period, '--output', at('a.csv')), { code: 'EXPORT_EXISTS' })

  const { rows: [noted] } = await owner.query('SELECT devices, subjects, rows::int, made_by, key IS NOT NULL AS sealed FROM export WHERE id = $1', [id])
  t.match(noted, { devices: [device], subjects: ['A', 'B'], rows: 240, sealed: true }, 'an erasure of a subject will find it')
  await runCommand(keysCommand, 'destroy', '--export', id, '--database-url', url, '--yes')
  const { code, err, out: none } = await startCli(t, 'export', 'open', at('one.pgx'), '--database-url', url).ended
  t.match({ code, none }, { code: 1, none: '' })
  t.match(err, /KEY_DESTROYED/)
  t.strictSame(await trail(owner), [
    `data exported success ${device}`, `data opened success ${id}`, ...Array<string>(3).fill('data exported success A'), 'data exported success B',
    'data exported serious-failure nobody EXPORT_SUBJECT_UNKNOWN', `data exported serious-failure ${device} EXPORT_EXISTS`,
    `key destroyed success ${id}`, `data opened serious-failure ${id} KEY_DESTROYED`
  ])
})

test('without an audit trail nothing is read and nothing is written [C10]', needsServices, async (t) => {
  const bench = await ward(t)
  const events: AuditEvent[] = []
  const audit: AuditLog = {
    record: (event) => { events.push(event) },
    recordNow: async () => { throw new PulsegateError('AUDIT_UNAVAILABLE', 'away') }
  }
  let pages = 0
  await t.rejects(exportReadings(bench.owner, audit, {
    whom: { device },
    interval: { fromMs: startMs, toMs: startMs + 86_400_000 },
    format: 'csv',
    path: join(bench.folder, 'x'),
    keys: null,
    agent: { id: 'x', role: 'operator' },
    signal: new AbortController().signal,
    onPage: () => { pages++ }
  }), { code: 'AUDIT_UNAVAILABLE' })
  t.equal(pages, 0)
  t.strictSame(readdirSync(bench.folder), [])
  t.match(events, [{ outcome: 'serious-failure', reason: 'AUDIT_UNAVAILABLE' }])
  await bench.owner.query('ALTER TABLE audit RENAME TO audit_away')
  await t.rejects(runCommand(exportCommand, 'device', device, ...period, '--output', join(bench.folder, 'y'), '--database-url', bench.url), { code: 'AUDIT_UNAVAILABLE' })
  t.strictSame(readdirSync(bench.folder), [])
})

test('an export that is stopped in the middle leaves no file; a damaged one says so', needsServices, async (t) => {
  const bench = await ward(t)
  const path = join(bench.folder, 'stopped.pgx')
  const stop = new AbortController()
  const events: AuditEvent[] = []
  const audit: AuditLog = { record: (event) => { events.push(event) }, recordNow: async (event) => { events.push(event) } }
  await t.rejects(exportReadings(bench.owner, audit, {
    whom: { device },
    interval: { fromMs: startMs, toMs: startMs + 3 * 86_400_000 },
    format: 'ndjson',
    path,
    keys: bench.keys,
    agent: { id: 'x', role: 'operator' },
    signal: stop.signal,
    onPage: () => { stop.abort() }
  }))
  t.strictSame(readdirSync(bench.folder), [])
  t.match(events, [{ outcome: 'success' }, { outcome: 'serious-failure', reason: 'stopped' }])
  t.equal(await count(bench.owner, 'export'), 1, 'that it was begun stays')

  t.match(await runCommand(exportCommand, 'device', device, ...period, '--output', path, '--database-url', bench.url), { code: 0 })
  writeFileSync(path, readFileSync(path).subarray(0, -10))
  const { code, err } = await startCli(t, 'export', 'open', path, '--database-url', bench.url).ended
  t.equal(code, 1)
  t.match(err, /EXPORT_DAMAGED: the export is damaged: it ends after 0 whole chunks/)
  const { rows } = await bench.owner.query<{ outcome: string, request: string | null }>("SELECT outcome, request_id AS request FROM audit WHERE subtype = 'opened' ORDER BY number")
  t.match(rows, [{ outcome: 'success', request: /^[0-9a-f-]{36}$/ }, { outcome: 'serious-failure', request: rows[0]?.request }], 'the beginning and how it ended belong together')
  await startCli(t, 'export', 'open', path, '--database-url', bench.url).ended
  t.equal((await bench.owner.query("SELECT DISTINCT request_id FROM audit WHERE subtype = 'opened'")).rowCount, 2, 'and to no other attempt')
  await t.rejects(runCommand(exportCommand, 'open', join(bench.folder, 'none.pgx'), '--database-url', bench.url), { code: 'EXPORT_UNREADABLE', message: /none.pgx cannot be read \(ENOENT\)/ })
})
