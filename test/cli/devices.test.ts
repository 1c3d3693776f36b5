// The registry by hand: pages and filters, one device in full, changes of many at once, what is asked for wrongly.
import { randomUUID } from 'node:crypto'
import { test } from 'tap'
import { devicesCommand } from '../../cli/devices.ts'
import { openDatabase } from '../../ingest/database.ts'
import { ingestBench } from '../fixtures/ingest.ts'
import { birth, deliver, deviceId } from '../fixtures/deliveries.ts'
import { type CommandResult, runCommand } from '../fixtures/run-command.ts'
import { needsServices } from '../services/skip.ts'
import { temporaryDatabase } from '../services/timescaledb.ts'

interface Row { readonly id: string, readonly state: string }

test('list: filters and pages add up, for a registry of many devices', needsServices, async (t) => {
  const { url } = await temporaryDatabase(t)
  const database = openDatabase(url)
  t.teardown(() => database.close())
  await database.query(`INSERT INTO device (id, kind, model, serial, firmware, state, tenant)
    SELECT gen_random_uuid(), CASE WHEN i % 10 = 0 THEN 'gateway' ELSE 'ecg-patch' END, 'Model ' || i % 7, 'SN_' || i, '2.' || i % 3,
      CASE WHEN i % 100 = 0 THEN 'pending' ELSE 'active' END, CASE WHEN i % 2 = 0 THEN 'ward7' END FROM generate_series(1, 20000) AS i`)
  const run = (...words: string[]): Promise<CommandResult> => runCommand(devicesCommand, 'list', ...words, '--database-url', url)
  const rows = async (...words: string[]): Promise<Row[]> => JSON.parse((await run(...words, '--json')).out) as Row[]
  const all = new Set<string>()
  let after: string[] = []
  for (let page = await rows('--limit', '9000'); page.length > 0; page = await rows('--limit', '9000', ...after)) {
    for (const { id } of page) all.add(id)
    after = ['--after', page.at(-1)?.id ?? '']
  }
  t.equal(all.size, 20_000, 'page by page, each once')
  t.equal((await rows('--state', 'pending', '--limit', '1000')).length, 200)
  t.equal((await rows('--state', 'pending', '--tenant', 'ward7', '--kind', 'gateway', '--search', 'model 3', '--limit', '1000')).length, 28)
  t.strictSame((await rows('--search', 'sn_12345')).length, 1, 'upper and lower case alike')
  t.strictSame(await rows('--search', 'sn%12345'), [], 'a sign that means itself')
  const page = await run('--limit', '2')
  t.match(page.out, /^id +state +kind[^]*more: --after [0-9a-f-]{36}\n$/)
  t.match(await run('--kind', 'toaster'), { out: 'no such device is registered\n', code: 0 })
  for (const words of [['--state', 'lost'], ['--limit', '0'], ['--after', 'x']]) t.match(await run(...words), { code: 2, err: /error: / })
  const { rows: [plan] } = await database.query<{ 'QUERY PLAN': unknown[] }>("EXPLAIN (FORMAT JSON) SELECT id FROM device WHERE state = 'pending' AND id > gen_random_uuid() ORDER BY id LIMIT 100")
  t.match(JSON.stringify(plan), /device_state_id/, 'a page of one state is one range of an index')
})

test('changes of many devices at once, from words and from standard input', needsServices, async (t) => {
  const { url, owner } = await ingestBench(t, { devices: 3 })
  const run = (words: string[], input?: string): Promise<CommandResult> =>
    runCommand((write) => devicesCommand(write, { input: (async function * () { yield input ?? '' })() }), ...words, '--database-url', url)
  const [one, two, three, stranger] = [deviceId(1), deviceId(2), deviceId(3), deviceId(99)] as const
  const done = await run(['suspend', one, '-', two, '--json', '--purpose', 'recall 17'], `${two}\n${stranger} ${three}\n`)
  t.equal(done.code, 1, 'one of them is not known')
  t.strictSame(JSON.parse(done.out), {
    changed: 3,
    unchanged: 0,
    refused: 1,
    devices: [{ id: one, outcome: 'changed' }, { id: two, outcome: 'changed' },
      { id: stranger, outcome: 'refused', code: 'DEVICE_UNKNOWN', message: `device ${stranger} is not registered: it registers when it first connects, or with its certificate` },
      { id: three, outcome: 'changed' }]
  }, 'each once, in the order of the words')
  const { rows } = await owner.query("SELECT count(*)::int AS n, count(*) FILTER (WHERE outcome = 'success')::int AS done FROM audit WHERE type = 'device' AND subtype = 'state-changed'")
  t.strictSame(rows, [{ n: 4, done: 3 }])
  const text = await run(['approve', one, two, stranger])
  t.match(text, { code: 1, out: /1 +active\n.*2 +active\n.*refused, DEVICE_UNKNOWN[^]*2 changed, 0 as they were, 1 refused\nDEVICE_UNKNOWN, what to do: / })
  t.match(await run(['approve', one]), { code: 0, out: /was so already: active/ })
  t.match(await run(['retire', three]), { code: 0 })
  await t.rejects(run(['approve', three]), { code: 'DEVICE_STATE_REFUSED' }, 'alone, a refusal is the command\'s own error')
  t.match(await run(['approve', three, '--force']), { code: 0, out: /active/ })
  t.match(await run(['pair', one, two, three, '--from', '2026-03-01T08:00:00Z']), { code: 0, out: /2 {2}paired with .*1 from 2026-03-01 08:00:00 UTC\n[^]*2 changed/ })
  t.match(await run(['unpair', two, '--at', '2026-03-01T09:00:00.5Z']), { code: 0, out: /2 {2}ended: paired with .*1 from 2026-03-01 08:00:00 UTC until 2026-03-01 09:00:00.500 UTC \(it had no end\)\n$/ })
  for (const [words, input] of [[['approve', 'X']], [['approve', '-'], 'not-an-id'], [['approve', '-'], ''], [['approve']], [['assign', 'Jane Doe', one]], [['assign', one]], [['pair', one]]] as Array<[string[], string?]>) {
    t.match(await run(words, input), { code: 2, err: /error: / }, words.join(' '))
  }
})

test('what a change of periods says: what holds now, and what had to end for it', needsServices, async (t) => {
  const { url } = await ingestBench(t, { devices: 2 })
  const run = (...words: string[]): Promise<CommandResult> => runCommand(devicesCommand, ...words, '--database-url', url)
  const json = async (...words: string[]): Promise<unknown> => (JSON.parse((await run(...words, '--json')).out) as { devices: unknown[] }).devices[0]
  const [one, two] = [deviceId(1), deviceId(2)] as const
  const time = (minutes: string): string => `2026-03-01T17:${minutes}:00.000Z`
  const [from, until, later] = [time('00'), time('30'), time('40')] as const
  t.match(await run('assign', 'subject-17', one, '--from', from, '--until', until), { code: 0, out: `${one}  assigned to subject-17 from 2026-03-01 17:00:00 UTC until 2026-03-01 17:30:00 UTC\n` })
  await t.rejects(run('assign', 'subject-18', one, '--from', time('29')), { code: 'ASSIGNMENT_REFUSED', message: /holds from 2026-03-01T17:00:00.000Z until 2026-03-01T17:30:00.000Z/ }, 'its end is not moved in silence')
  t.strictSame(await json('assign', 'subject-18', one, '--from', until), { id: one, outcome: 'changed', period: { subject: 'subject-18', from: until, until: null } })
  t.match(await run('assign', 'subject-18', one, '--from', later), { code: 0, out: /was so already: assigned to subject-18 from 2026-03-01 17:30:00 UTC\n/ })
  t.match(await run('assign', 'subject-19', one, '--from', later), {
    code: 0, out: /assigned to subject-19 from 2026-03-01 17:40:00 UTC; ended: assigned to subject-18 from 2026-03-01 17:30:00 UTC until 2026-03-01 17:40:00 UTC \(it had no end\)\n/
  })
  t.strictSame(await json('unassign', one, '--at', time('20')), { id: one, outcome: 'changed', ended: { subject: 'subject-17', from, until: time('20'), untilBefore: until } })
  t.match(await run('unassign', one, '--at', time('10')), { code: 0, out: /ended: assigned to subject-17 .* until 2026-03-01 17:10:00 UTC \(it was to end at 2026-03-01 17:20:00 UTC\)\n/ })
  t.match(await run('unassign', one, '--at', from), { code: 0, out: /taken back: assigned to subject-17 from 2026-03-01 17:00:00 UTC until 2026-03-01 17:10:00 UTC\n/ })
  t.strictSame(await json('pair', one, two, '--from', from), { id: two, outcome: 'changed', period: { gateway: one, from, until: null } })
  t.strictSame(await json('unpair', two, '--at', from), { id: two, outcome: 'changed', takenBack: { gateway: one, from, until: null } })
})

test('what cannot be meant is a usage error, before anything is asked of a database', async (t) => {
  const run = (...words: string[]): Promise<CommandResult> => runCommand(devicesCommand, ...words, '--database-url', 'postgres://nobody@127.0.0.1:1/nothing')
  const [one, two] = [deviceId(1), deviceId(2)] as const
  t.match(await run('assign', 'subject-17', one, '--from', '2026-03-01T08:00:00Z', '--until', '2026-03-01T07:00:00Z'), { code: 2, err: /error: --until .*07:00:00.* must be later than --from .*08:00:00/ })
  t.match(await run('assign', 'subject-17', one, '--from', '2026-03-01T08:00:00Z', '--until', '2026-03-01T08:00:00Z'), { code: 2 })
  t.match(await run('assign', 'subject-17', one, '--until', '1h'), { code: 2, err: /must be later than the beginning, which is now because --from is not given/ })
  t.match(await run('pair', one, two, one), { code: 2, err: /error: a gateway is not paired with itself.*Nothing was changed/ })
})

test('many devices: in pages, told on the way, all of them recorded', needsServices, async (t) => {
  const { url, owner, registry } = await ingestBench(t)
  const ids = Array.from({ length: 600 }, () => randomUUID())
  await registry.register(ids.map((id) => ({ id, state: 'pending' })))
  const { out, code } = await runCommand((write) => devicesCommand(write, { input: (async function * () { yield ids.join('\n') })() }), 'approve', '-', '--json', '--database-url', url)
  t.match([code, JSON.parse(out)], [0, { changed: 600, refused: 0 }])
  const { rows } = await owner.query("SELECT count(DISTINCT entity)::int AS n FROM audit WHERE subtype = 'state-changed' AND outcome = 'success'")
  t.strictSame(rows, [{ n: 600 }])
})

test('show: state and history, pairings on both sides, assignments, boots; and that it was read is recorded first [C10]', needsServices, async (t) => {
  const { url, owner, registry, start } = await ingestBench(t)
  const { send } = start()
  const [gateway, sensor] = [deviceId(1), deviceId(2)]
  await send(deliver(sensor, birth(0, { firmware: '3.1.4', header: { boot: 18_446_744_073_709_551_615n } })))
  await registry.pair(gateway, sensor, Date.now() - 3_600_000)
  const run = (...words: string[]): Promise<CommandResult> => runCommand(devicesCommand, ...words, '--database-url', url)
  await run('assign', 'subject-5', sensor)
  await run('suspend', sensor)
  const shown = JSON.parse((await run('show', sensor, '--json', '--purpose', 'rounds')).out) as Record<string, unknown>
  t.match(shown, {
    id: sensor,
    state: 'suspended',
    firmware: '3.1.4',
    states: [{ state: 'active' }, { state: 'suspended', until: null }],
    gateways: [{ device: gateway, until: null }],
    sensors: [],
    assignments: [{ subject: 'subject-5', until: null }],
    boots: [{ boot: '18446744073709551615' }]
  })
  t.match((await run('show', gateway)).out, new RegExp(`^id +${gateway}[^]*speaks for\nsensor[^]*${sensor}`))
  const { rows } = await owner.query("SELECT entity, agent_role, outcome FROM audit WHERE type = 'data' AND subtype = 'read' ORDER BY entity DESC")
  t.strictSame(rows, [{ entity: sensor, agent_role: 'operator', outcome: 'success' }, { entity: gateway, agent_role: 'operator', outcome: 'success' }])
  await t.rejects(run('show', deviceId(77)), { code: 'DEVICE_UNKNOWN' })
  await owner.query('ALTER TABLE audit ADD CONSTRAINT no_more CHECK (false) NOT VALID')
  const unrecorded = await runCommand(devicesCommand, 'show', sensor, '--database-url', url).catch((error: unknown) => error)
  t.ok(unrecorded instanceof Error, 'what cannot be recorded is not shown')
})
