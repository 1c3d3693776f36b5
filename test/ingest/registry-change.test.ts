// Changes by a person: what is possible, what is refused, and that none goes unrecorded.
import { test } from 'tap'
import { openDatabase } from '../../ingest/database.ts'
import { type Change, changeDevices, type ChangeResult } from '../../ingest/registry-change.ts'
import { assignTo, changeState, pairWith, unassignAt, unpairAt } from '../../ingest/registry-changes.ts'
import { stateAfter, type StateVerb } from '../../ingest/registry-states.ts'
import { deviceStates } from '../../schemas/device.ts'
import { agent, changesBench as bench, outcomes } from '../fixtures/changes.ts'
import { count } from '../fixtures/ingest.ts'
import { deviceId } from '../fixtures/deliveries.ts'
import { named, refuseToRecord, toldLog } from '../fixtures/told.ts'
import { needsServices } from '../services/skip.ts'

const [one, two, three, four] = [deviceId(1), deviceId(2), deviceId(3), deviceId(4)] as const
const t0 = Date.parse('2026-03-01T08:00:00Z')

test('the ways between states: retired is final unless by force', (t) => {
  for (const verb of ['approve', 'suspend', 'retire'] satisfies StateVerb[]) {
    for (const state of deviceStates) {
      const next = { approve: 'active', suspend: 'suspended', retire: 'retired' }[verb]
      if (state === 'retired' && verb !== 'retire') t.throws(() => stateAfter(verb, one, state, false), { code: 'DEVICE_STATE_REFUSED' })
      else t.equal(stateAfter(verb, one, state, false), next)
      t.equal(stateAfter(verb, one, state, true), next)
    }
  }
  t.end()
})

test('a change of many devices: each for itself, each recorded, and a history of states', needsServices, async (t) => {
  const { owner, audit, apply } = await bench(t)
  const unknown = deviceId(99)
  t.strictSame(outcomes(await apply(changeState('suspend', false), one, unknown, two)), ['changed', 'DEVICE_UNKNOWN', 'changed'])
  t.strictSame(outcomes(await apply(changeState('retire', false), one)), ['changed'])
  t.strictSame(outcomes(await apply(changeState('approve', false), one, two, three)), ['DEVICE_STATE_REFUSED', 'changed', 'unchanged'])
  t.strictSame(outcomes(await apply(changeState('approve', true), one)), ['changed'])
  t.match(audit.events.filter(({ outcome }) => outcome === 'success'), [
    { type: 'device', subtype: 'state-changed', agent, purpose: 'test', entity: { type: 'device', id: one }, detail: { from: 'active', to: 'suspended' } },
    { entity: { id: two }, detail: { from: 'active', to: 'suspended' } },
    { entity: { id: one }, detail: { from: 'suspended', to: 'retired' } },
    { entity: { id: two }, detail: { from: 'suspended', to: 'active' } },
    { entity: { id: one }, detail: { from: 'retired', to: 'active', forced: true } }
  ])
  t.match(audit.events.filter(({ outcome }) => outcome !== 'success'), [
    { outcome: 'minor-failure', reason: 'DEVICE_UNKNOWN', entity: { id: unknown } }, { reason: 'DEVICE_STATE_REFUSED', entity: { id: one } }
  ])
  const { rows } = await owner.query('SELECT h.state, upper_inf(period) AS open FROM device_state_history h JOIN device d ON d.key = device WHERE d.id = $1 ORDER BY period', [one])
  t.strictSame(rows, ['active', 'suspended', 'retired', 'active'].map((state, i) => ({ state, open: i === 3 })))
  const { rows: [gaps] } = await owner.query(`SELECT count(*)::int AS n FROM (
    SELECT lower(period) AS began, lag(upper(period)) OVER (PARTITION BY device ORDER BY period) AS ended FROM device_state_history) AS h WHERE began <> ended`)
  t.strictSame(gaps, { n: 0 }, 'a state begins when the one before ends')
})

test('what was refused is recorded with what was asked for', needsServices, async (t) => {
  const { owner, audit, apply } = await bench(t)
  const unknown = deviceId(99)
  const [from, until] = [new Date(t0).toISOString(), new Date(t0 + 60_000).toISOString()] as const
  await owner.query("INSERT INTO tenancy (device, tenant, period) SELECT key, 'ward7', tstzrange(NULL, NULL) FROM device WHERE id = $1", [one])
  await apply(changeState('retire', false), one)
  audit.events.length = 0
  await apply(changeState('approve', false), one, unknown)
  await apply(pairWith(one, t0), two)
  await apply(pairWith(unknown, t0), two)
  await apply(unpairAt(t0), three)
  await apply(assignTo({ subject: 'subject-1', fromMs: t0, untilMs: t0 + 60_000 }), one, unknown)
  await apply(unassignAt(t0), three)
  const device = (id: string): object => ({ type: 'device', id })
  const subject = { type: 'subject', id: 'subject-1' }
  t.strictSame(audit.events.map(({ subtype, action, outcome, reason, agent: by, purpose, entity, detail }) => ({ subtype, action, outcome, reason, by, purpose, entity, detail })), [
    { subtype: 'state-changed', action: 'U', reason: 'DEVICE_STATE_REFUSED', entity: { ...device(one), tenant: 'ward7' }, detail: { from: 'retired', to: 'active' } },
    { subtype: 'state-changed', action: 'U', reason: 'DEVICE_UNKNOWN', entity: device(unknown), detail: { from: null, to: 'active' } },
    { subtype: 'paired', action: 'C', reason: 'PAIRING_REFUSED', entity: device(two), detail: { gateway: one, from } },
    { subtype: 'paired', action: 'C', reason: 'DEVICE_UNKNOWN', entity: device(two), detail: { gateway: unknown, from } },
    { subtype: 'unpaired', action: 'U', reason: 'PAIRING_REFUSED', entity: device(three), detail: { at: from } },
    { subtype: 'assigned', action: 'C', reason: 'ASSIGNMENT_REFUSED', entity: { ...subject, tenant: 'ward7' }, detail: { device: one, from, until } },
    { subtype: 'assigned', action: 'C', reason: 'DEVICE_UNKNOWN', entity: subject, detail: { device: unknown, from, until } },
    { subtype: 'unassigned', action: 'U', reason: 'ASSIGNMENT_REFUSED', entity: device(three), detail: { at: from } }
  ].map((event) => ({ ...event, outcome: 'minor-failure', by: agent, purpose: 'test' })))
})

test('a history has no overlap when sessions change one device at once, nor within one transaction', needsServices, async (t) => {
  const { owner, url } = await bench(t)
  const many = openDatabase(url, { poolSize: 8 })
  t.teardown(() => many.close())
  await Promise.all(Array.from({ length: 40 }, (_, i) => many.query('UPDATE device SET state = $2 WHERE id = $1', [one, i % 2 === 0 ? 'suspended' : 'active'])))
  await owner.transaction(async (client) => {
    for (const state of ['retired', 'pending', 'active']) await client.query('UPDATE device SET state = $2 WHERE id = $1', [one, state])
  })
  t.equal(await count(owner, 'device_state_history', `upper_inf(period) AND device = (SELECT key FROM device WHERE id = '${one}')`), 1)
  t.ok(await count(owner, 'device_state_history') >= 4 + 3)
  await owner.query('DELETE FROM device WHERE id = $1', [one])
  t.equal(await count(owner, 'device_state_history'), 3, 'it goes with its device')
})

test('what cannot be recorded is not done; what was recorded and then not done is recorded as failed', needsServices, async (t) => {
  const { owner, audit, apply } = await bench(t)
  const active = (): Promise<number> => count(owner, 'device', "state = 'active'")
  audit.before = refuseToRecord
  await t.rejects(apply(changeState('suspend', false), one, two), { code: 'DATABASE_UNREACHABLE' })
  t.equal(await active(), 4)
  t.strictSame(audit.events, [])

  // the first is in the trail, the second is refused
  audit.before = (event) => { if (event.entity?.id === two) refuseToRecord() }
  await t.rejects(apply(changeState('suspend', false), one, two), { code: 'DATABASE_UNREACHABLE' })
  t.equal(await active(), 4, 'neither')
  t.strictSame(named(audit.events), ['device state-changed', 'device state-changed serious-failure'])
  t.match(audit.events[1], { entity: { id: one }, reason: 'DATABASE_UNREACHABLE' })

  // the database ends the connection between the record and the COMMIT
  audit.events.length = 0
  audit.before = async () => {
    await owner.query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND state LIKE 'idle in transaction%'")
  }
  await t.rejects(apply(changeState('suspend', false), one))
  t.equal(await active(), 4)
  t.strictSame(named(audit.events), ['device state-changed', 'device state-changed serious-failure'])

  audit.before = () => {}
  const seen: number[] = []
  audit.before = async () => { seen.push(await active()) }
  t.strictSame(outcomes(await apply(changeState('suspend', false), one)), ['changed'])
  t.strictSame(seen, [4], 'nobody sees a change that is not recorded yet')
})

test('pairing: begins, moves to another gateway, ends; both sides of a boundary are one pairing or none', needsServices, async (t) => {
  const { owner, audit, apply } = await bench(t)
  const pairings = async (): Promise<unknown[]> => (await owner.query(`SELECT g.id AS gateway, s.id AS sensor, (extract(epoch FROM lower(period)) * 1000)::float8 AS from, (extract(epoch FROM upper(period)) * 1000)::float8 AS until
    FROM pairing JOIN device g ON g.key = gateway JOIN device s ON s.key = sensor ORDER BY s.id, period`)).rows
  t.strictSame(outcomes(await apply(pairWith(one, t0), three, four, deviceId(50))), ['changed', 'changed', 'changed'], 'a sensor nobody knows is registered')
  t.strictSame(named(audit.events), ['device paired', 'device paired', 'device registered', 'device paired'])
  t.strictSame(outcomes(await apply(pairWith(one, t0), three)), ['unchanged'])
  t.strictSame(outcomes(await apply(pairWith(two, t0 + 1_000), three)), ['changed'])
  t.match(audit.events.at(-1), { subtype: 'paired', entity: { id: three }, detail: { gateway: two, instead: one, from: '2026-03-01T08:00:01.000Z' } })
  t.strictSame(outcomes(await apply(pairWith(one, t0 + 500), three)), ['PAIRING_REFUSED'], 'a later pairing is in the way')
  t.strictSame((await pairings()).slice(0, 2), [{ gateway: one, sensor: three, from: t0, until: t0 + 1_000 }, { gateway: two, sensor: three, from: t0 + 1_000, until: null }], 'and a refusal leaves the others as they were')
  t.strictSame(outcomes(await apply(unpairAt(t0 + 2_000), three, four)), ['changed', 'changed'])
  t.strictSame(outcomes(await apply(unpairAt(t0 + 2_000), three)), ['PAIRING_REFUSED'], 'not paired at the time it ended')
  t.strictSame(outcomes(await apply(unpairAt(t0 + 1_000), three)), ['changed'], 'one that begins at that very time is taken back')
  t.strictSame((await pairings()).slice(0, 1), [{ gateway: one, sensor: three, from: t0, until: t0 + 1_000 }])
  await apply(changeState('retire', false), four)
  t.strictSame(outcomes(await apply(pairWith(one, t0 + 9_000), four, one)), ['PAIRING_REFUSED', 'PAIRING_REFUSED'], 'not retired ones, not itself')
  t.strictSame(outcomes(await apply(pairWith(deviceId(98), t0), three, deviceId(97))), ['DEVICE_UNKNOWN', 'DEVICE_UNKNOWN'])
  t.equal(await count(owner, 'device', `id = '${deviceId(97)}'`), 0, 'a sensor is not registered for a pairing that is refused')
})

test('assignment: hands over, ends, and refuses what would overlap', needsServices, async (t) => {
  const { owner, audit, apply } = await bench(t)
  const to = (subject: string, fromMs: number, untilMs: number | null = null): Change => assignTo({ subject, fromMs, untilMs })
  t.strictSame(outcomes(await apply(to('subject-a', t0), one)), ['changed'])
  t.strictSame(outcomes(await apply(to('subject-a', t0 + 5), one)), ['unchanged'])
  t.strictSame(outcomes(await apply(to('subject-b', t0 + 1_000), one)), ['changed'])
  t.match(audit.events.map(({ subtype, entity }) => [subtype, entity]), [
    ['assigned', { type: 'subject', id: 'subject-a' }], ['unassigned', { type: 'subject', id: 'subject-a' }], ['assigned', { type: 'subject', id: 'subject-b' }]
  ], 'a hand-over is written down for both')
  t.strictSame(outcomes(await apply(to('subject-c', t0 + 500), one)), ['ASSIGNMENT_REFUSED'])
  t.strictSame(outcomes(await apply(to('subject-c', t0 - 1_000, t0 + 1), one)), ['ASSIGNMENT_REFUSED'])
  t.strictSame(outcomes(await apply(to('subject-c', t0 - 1_000, t0), one)), ['changed'], 'up to the very time at which the next begins')
  t.strictSame(outcomes(await apply(to('subject-d', t0, t0), two)), ['ASSIGNMENT_REFUSED'])
  t.strictSame(outcomes(await apply(unassignAt(t0 + 2_000), one, two)), ['changed', 'ASSIGNMENT_REFUSED'])
  const { rows } = await owner.query('SELECT subject, (extract(epoch FROM upper(period) - lower(period)) * 1000)::int AS ms FROM assignment ORDER BY period')
  t.strictSame(rows, [{ subject: 'subject-c', ms: 1_000 }, { subject: 'subject-a', ms: 1_000 }, { subject: 'subject-b', ms: 1_000 }])
})

test('sessions that pair or assign one device at once: one period at any time, whoever wins', needsServices, async (t) => {
  const { owner, url } = await bench(t, 12)
  const database = openDatabase(url, { poolSize: 8 })
  t.teardown(() => database.close())
  const race = async (changeOf: (i: number) => Change): Promise<string[]> => (await Promise.all(Array.from({ length: 8 }, async (_, i) => {
    const results: ChangeResult[] = []
    // the record takes its time: the locks are held
    const audit = toldLog()
    audit.before = () => new Promise((resolve) => { setTimeout(resolve, 20) })
    for await (const page of changeDevices([deviceId(12), deviceId(11)], changeOf(i), { database, audit, agent })) results.push(...page)
    return outcomes(results)
  }))).flat()
  const now = Date.now()
  t.strictSame(new Set(await race((i) => pairWith(deviceId(i + 1), now))), new Set(['changed', 'PAIRING_REFUSED']))
  t.strictSame(new Set(await race((i) => pairWith(deviceId(i + 1), now + 1_000 * (i + 1)))).has('changed'), true)
  t.strictSame(new Set(await race((i) => assignTo({ subject: `subject-${i}`, fromMs: now, untilMs: null }))), new Set(['changed', 'ASSIGNMENT_REFUSED']))
  for (const table of ['pairing', 'assignment']) {
    const device = table === 'pairing' ? 'sensor' : 'device'
    t.equal(await count(owner, `${table} a JOIN ${table} b ON a.${device} = b.${device} AND a.ctid <> b.ctid AND a.period && b.period`), 0, table)
    t.equal(await count(owner, table, 'upper_inf(period)'), 2, table)
  }
})

test('a page is retried when it was chosen as the victim of a deadlock', needsServices, async (t) => {
  const { owner, audit } = await bench(t)
  let attempts = 0
  const change: Change = {
    asked: () => { throw new Error('nothing is refused here') },
    async apply (client) {
      if (++attempts === 1) await client.query("DO $$ BEGIN RAISE EXCEPTION 'as if' USING ERRCODE = '40P01'; END $$")
      return { events: [] }
    }
  }
  for await (const page of changeDevices([one], change, { database: owner, audit, agent })) t.strictSame(outcomes(page), ['unchanged'])
  t.equal(attempts, 2)
})
