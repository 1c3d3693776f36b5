// Periods of pairings and assignments cannot overlap: the database itself refuses.
import { test } from 'tap'
import { openDatabase } from '../../ingest/database.ts'
import { storeDevice } from '../fixtures/stored.ts'
import { needsServices } from '../services/skip.ts'
import { temporaryDatabase } from '../services/timescaledb.ts'

const overlap = { code: '23P01' } // exclusion_violation

test('a sensor speaks through one gateway at a time', needsServices, async (t) => {
  const database = openDatabase((await temporaryDatabase(t, { edition: 'plain' })).url)
  t.teardown(() => database.close())
  const [one, two, sensor, other] = await Promise.all([1, 2, 3, 4].map(() => storeDevice(database)))
  const pair = (gateway = one, period: string, of = sensor) =>
    database.query('INSERT INTO pairing (gateway, sensor, period) VALUES ($1, $2, $3)', [gateway?.key, of?.key, period])
  await pair(one, '[2026-01-01, 2026-02-01)')
  await t.rejects(pair(two, '[2026-01-15, 2026-03-01)'), overlap)
  await t.rejects(pair(one, '[2026-01-31 23:59,)'), overlap)
  await t.resolves(pair(two, '[2026-02-01,)'), 'the next may begin when the last ends')
  await t.resolves(pair(one, '[2026-01-01,)', other), 'another sensor is another matter')
  await t.rejects(pair(one, 'empty', other), { code: '23514' })
  await t.rejects(pair(one, '[2020-01-01, 2020-02-01)', one), { code: '23514' }, 'nobody is paired with itself')
})

test('a device measures one subject at a time', needsServices, async (t) => {
  const database = openDatabase((await temporaryDatabase(t, { edition: 'plain' })).url)
  t.teardown(() => database.close())
  const device = await storeDevice(database)
  const assign = (subject: string, period: string) => database.query('INSERT INTO assignment (device, subject, period) VALUES ($1, $2, $3)', [device.key, subject, period])
  await assign('subject-a', '[2026-01-01, 2026-02-01)')
  await t.rejects(assign('subject-b', '[2026-01-31, 2026-02-02)'), overlap)
  await t.resolves(assign('subject-b', '[2026-02-01,)'))
})
