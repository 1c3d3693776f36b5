// A period that was given an end is history: no hand-over shortens it, and whoever corrects it is shown what it was.
import { test } from 'tap'
import { type Change } from '../../ingest/registry-change.ts'
import { assignTo, pairWith, unassignAt, unpairAt } from '../../ingest/registry-changes.ts'
import { type Database } from '../../ingest/database.ts'
import { changesBench, outcomes } from '../fixtures/changes.ts'
import { deviceId } from '../fixtures/deliveries.ts'
import { needsServices } from '../services/skip.ts'

const [one, two, three] = [deviceId(1), deviceId(2), deviceId(3)] as const
const t0 = Date.parse('2026-03-01T17:00:00Z')
const minuteMs = 60_000
const at = (minutes: number): Date => new Date(t0 + minutes * minuteMs)
const to = (subject: string, from: number, until: number | null = null): Change => assignTo({ subject, fromMs: +at(from), untilMs: until === null ? null : +at(until) })

async function periods (owner: Database, table: 'assignment' | 'pairing'): Promise<unknown[]> {
  const holder = table === 'assignment' ? 'subject' : '(SELECT id FROM device WHERE key = gateway)'
  const { rows } = await owner.query<{ holder: string, from: Date | null, until: Date | null }>(`SELECT ${holder} AS holder, lower(period) AS from, upper(period) AS until FROM ${table} ORDER BY period`)
  return rows.map(({ holder, from, until }) => [holder, from, until])
}

test('an assignment with an end is not cut by a hand-over', needsServices, async (t) => {
  const { owner, audit, apply } = await changesBench(t)
  t.match(await apply(to('subject-17', 0, 9.5), one), [{ id: one, outcome: 'changed', period: { subject: 'subject-17', from: at(0), until: at(9.5) } }])
  const [refusal] = await apply(to('subject-18', 9), one)
  t.match(refusal, { outcome: 'refused', code: 'ASSIGNMENT_REFUSED', message: /another assignment of it holds from 2026-03-01T17:00:00.000Z until 2026-03-01T17:09:30.000Z/ })
  t.notMatch(JSON.stringify(refusal), 'subject-17', 'whose it is says `show`, which is recorded')
  t.strictSame(await periods(owner, 'assignment'), [['subject-17', at(0), at(9.5)]], 'its end is where it was')
  t.strictSame(outcomes(await apply(to('subject-17', 9), one)), ['ASSIGNMENT_REFUSED'], 'not even by one to the same subject')
  t.match(await apply(to('subject-17', 1, 9.5), one), [{ outcome: 'unchanged', period: { from: at(0), until: at(9.5) } }])
  t.strictSame(outcomes(await apply(to('subject-18', 9.5), one)), ['changed'], 'from its end on')

  // an open one is handed over, and both are told
  t.strictSame(await apply(to('subject-19', 20, 30), one), [{
    id: one,
    outcome: 'changed',
    period: { subject: 'subject-19', from: at(20), until: at(30) },
    ended: { subject: 'subject-18', from: at(9.5), until: at(20), untilBefore: null }
  }])
  t.match(audit.events.at(-2), { subtype: 'unassigned', entity: { id: 'subject-18' }, detail: { device: one, from: at(9.5).toISOString(), at: at(20).toISOString(), untilBefore: null } })
})

test('an end is moved by unassign alone, which says what it was', needsServices, async (t) => {
  const { owner, audit, apply } = await changesBench(t)
  await apply(to('subject-17', 0, 9.5), one)
  t.strictSame(await apply(unassignAt(+at(9)), one), [{ id: one, outcome: 'changed', ended: { subject: 'subject-17', from: at(0), until: at(9), untilBefore: at(9.5) } }])
  t.match(audit.events.at(-1), { subtype: 'unassigned', action: 'U', entity: { id: 'subject-17' }, detail: { device: one, from: at(0).toISOString(), at: at(9).toISOString(), untilBefore: at(9.5).toISOString() } })
  t.strictSame(await apply(unassignAt(+at(0)), one), [{ id: one, outcome: 'changed', takenBack: { subject: 'subject-17', from: at(0), until: at(9) } }])
  t.match(audit.events.at(-1), { subtype: 'unassigned', action: 'D', detail: { at: at(0).toISOString(), untilBefore: at(9).toISOString() } })
  t.strictSame(await periods(owner, 'assignment'), [])
})

test('a pairing that was ended is not cut by another one', needsServices, async (t) => {
  const { owner, audit, apply } = await changesBench(t)
  t.match(await apply(pairWith(one, +at(0)), three), [{ outcome: 'changed', period: { gateway: one, from: at(0), until: null } }])
  t.strictSame(await apply(unpairAt(+at(10)), three), [{ id: three, outcome: 'changed', ended: { gateway: one, from: at(0), until: at(10), untilBefore: null } }])
  t.match(await apply(pairWith(two, +at(9)), three), [{ outcome: 'refused', code: 'PAIRING_REFUSED', message: /another pairing of it holds from 2026-03-01T17:00:00.000Z until 2026-03-01T17:10:00.000Z/ }])
  t.strictSame(outcomes(await apply(pairWith(one, +at(9)), three)), ['PAIRING_REFUSED'])
  t.strictSame(await periods(owner, 'pairing'), [[one, at(0), at(10)]])
  t.strictSame(outcomes(await apply(pairWith(two, +at(10)), three)), ['changed'])
  t.strictSame(await apply(pairWith(one, +at(20)), three), [{
    id: three, outcome: 'changed', period: { gateway: one, from: at(20), until: null }, ended: { gateway: two, from: at(10), until: at(20), untilBefore: null }
  }])
  t.match(audit.events.at(-1), { subtype: 'paired', entity: { id: three }, detail: { gateway: one, instead: two, from: at(20).toISOString() } })
  t.strictSame(await apply(unpairAt(+at(5)), three), [{ id: three, outcome: 'changed', ended: { gateway: one, from: at(0), until: at(5), untilBefore: at(10) } }])
  t.match(audit.events.at(-1), { subtype: 'unpaired', detail: { gateway: one, at: at(5).toISOString(), untilBefore: at(10).toISOString() } })
})
