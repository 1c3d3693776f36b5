// What a login sees of the tenants it is mapped to, in every view; and how the periods of a device come about.
import { test } from 'tap'
import { moveToTenant } from '../../ingest/tenants.ts'
import { deviceId } from '../fixtures/deliveries.ts'
import { type Login } from '../fixtures/logins.ts'
import { hourMs, movedMs, startMs, ward } from '../fixtures/tenants.ts'
import { needsServices } from '../services/skip.ts'

const minuteMs = 60_000
const never = async (): Promise<void> => {}

/** Number of the device and minute past the hour of each row, as `n@minute`. */
async function rows (login: Login, view: string, time = 'time'): Promise<string[]> {
  const { rows } = await login.query(`SELECT right(device::text, 1) AS n, ${time} AS time FROM ${view} ORDER BY device, ${time}`)
  return (rows as Array<{ n: string, time: Date }>).map(({ n, time }) => `${n}@${(time.getTime() - startMs) / minuteMs}`)
}

for (const edition of ['plain', 'timescaledb-apache'] as const) {
  test(`${edition}: each tenant sees its own devices, and of a moved one its own time [C12]`, needsServices, async (t) => {
    const { logins: { readerA, readerB, readerBoth, readerAll, unmapped }, moved } = await ward(t, edition)
    t.strictSame(await rows(readerA, 'reading'), ['1@10', '1@50', '3@10'])
    t.strictSame(await rows(readerB, 'reading'), ['2@10', '2@50', '3@50'])
    t.strictSame(await rows(readerBoth, 'reading'), ['1@10', '1@50', '2@10', '2@50', '3@10', '3@50'])
    t.strictSame(await rows(readerAll, 'reading'), ['1@10', '1@50', '2@10', '2@50', '3@10', '3@50', '4@10', '4@50'])
    for (const view of ['reading', 'latest_reading', 'reading_1m', 'reading_1h', 'wave_block', 'wave_sample', 'device_list']) {
      t.strictSame((await unmapped.query(`SELECT count(*)::int AS n FROM ${view}`)).rows, [{ n: 0 }], `unmapped: ${view}`)
    }
    t.strictSame(await rows(readerA, 'latest_reading'), ['1@50', '3@10'], 'the newest of its own time')
    t.strictSame(await rows(readerB, 'latest_reading'), ['2@50', '3@50'])
    t.strictSame(await rows(readerBoth, 'latest_reading'), ['1@50', '2@50', '3@50'], 'one row a series')
    t.strictSame(await rows(readerA, 'reading_1m'), ['1@10', '1@50', '3@10'])
    t.strictSame(await rows(readerB, 'reading_1m'), ['2@10', '2@50', '3@50'])
    t.strictSame(await rows(readerA, 'reading_1h'), ['1@0'], 'an hour that two tenants share is shown to neither')
    t.strictSame(await rows(readerB, 'reading_1h'), ['2@0'])
    t.strictSame(await rows(readerAll, 'reading_1h'), ['1@0', '2@0', '3@0', '4@0'])
    const before = 30 - 2 / 60
    t.strictSame((await rows(readerA, 'wave_block')).length, 1, 'nor is a block across the hand-over')
    const values = async (login: Login) => (await login.query('SELECT raw FROM wave_sample WHERE device = $1 ORDER BY time', [moved.id])).rows.map(({ raw }) => raw as number)
    t.strictSame(await values(readerA), [3, 3], 'its values are, each to its own')
    t.strictSame(await values(readerB), [-3, -3])
    t.strictSame(await rows(readerAll, 'wave_block'), [1, 2, 3, 4].map((n) => `${n}@${before}`))
    const all = [moved.id, 'ecg-lead-ii', new Date(startMs), new Date(startMs + hourMs)]
    t.strictSame((await readerA.query('SELECT raw FROM wave_values($1, $2, $3, $4)', all)).rows, [{ raw: 3 }, { raw: 3 }])
    t.strictSame((await unmapped.query('SELECT raw FROM wave_values($1, $2, $3, $4)', all)).rows, [])
  })

  test(`${edition}: completeness tells of the login's own time [C12]`, needsServices, async (t) => {
    const { logins: { readerA, readerB, readerBoth, readerAll, unmapped }, moved, b } = await ward(t, edition)
    const ask = async (login: Login, id: string) => (await login.query('SELECT boot::int, first_seq::int, last_seq::int, received::int, missing_count::int FROM completeness($1)', [id])).rows
    t.strictSame(await ask(readerA, moved.id), [{ boot: 3, first_seq: 0, last_seq: 0, received: 1, missing_count: 0 }])
    t.strictSame(await ask(readerB, moved.id), [{ boot: 3, first_seq: 1, last_seq: 1, received: 1, missing_count: 0 }])
    const whole = [{ boot: 3, first_seq: 0, last_seq: 1, received: 2, missing_count: 0 }]
    t.strictSame(await ask(readerAll, moved.id), whole)
    t.strictSame(await ask(readerBoth, moved.id), whole, 'adjoining periods are one')
    t.strictSame(await ask(readerA, b.id), [])
    t.strictSame(await ask(unmapped, b.id), [])
  })

  test(`${edition}: a former tenant finds its device and learns nothing of its life since [C12]`, needsServices, async (t) => {
    const { logins: { readerA, readerB }, moved, owner } = await ward(t, edition)
    await owner.query("UPDATE device SET last_seen = now(), serial = 'S-1', firmware = '2.0', state = 'suspended' WHERE key = $1", [moved.key])
    const list = async (login: Login) => (await login.query('SELECT kind, serial, firmware, state, tenant, last_seen FROM device_list WHERE device = $1', [moved.id])).rows
    t.strictSame(await list(readerA), [{ kind: 'ecg-patch', serial: null, firmware: null, state: null, tenant: 'A', last_seen: new Date(movedMs) }])
    t.match(await list(readerB), [{ serial: 'S-1', firmware: '2.0', state: 'suspended', tenant: 'B' }])
    t.strictSame((await readerA.query('SELECT count(*)::int AS n FROM device_list')).rows, [{ n: 2 }])
  })
}

test('periods: moves keep history, refuse what would take from another, and device.tenant follows', needsServices, async (t) => {
  const { owner, free, moved } = await ward(t, 'plain')
  const periods = async (key: number): Promise<Array<Record<string, string>>> => (await owner.query<Record<string, string>>(
    "SELECT tenant, coalesce(lower(period)::text, '-') AS since, coalesce(upper(period)::text, '-') AS until FROM tenancy WHERE device = $1 ORDER BY period", [key])).rows
  const current = async (key: number): Promise<string | null | undefined> => (await owner.query<{ tenant: string | null }>('SELECT tenant FROM device WHERE key = $1', [key])).rows[0]?.tenant

  t.match(await moveToTenant(owner, free.id, 'A', undefined, never), { changed: true, previous: null, from: null }, 'the first time: since ever')
  t.equal(await current(free.key), 'A')
  t.match(await moveToTenant(owner, free.id, 'A', undefined, never), { changed: false })
  await moveToTenant(owner, free.id, 'B', startMs, never)
  await moveToTenant(owner, free.id, null, startMs + hourMs, never)
  t.equal(await current(free.key), null)
  t.match(await moveToTenant(owner, free.id, null, undefined, never), { changed: false })
  await moveToTenant(owner, free.id, 'B', startMs + hourMs, never)
  t.strictSame((await periods(free.key)).map(({ tenant, until }) => [tenant, until === '-']), [['A', false], ['B', true]], 'a period that goes on is one')
  await t.rejects(moveToTenant(owner, moved.id, 'C', movedMs - 1, never), { code: 'TENANCY_REFUSED' })
  await t.rejects(moveToTenant(owner, moved.id, 'C', Date.now() + hourMs, never), { code: 'TENANCY_REFUSED' })
  await t.rejects(moveToTenant(owner, deviceId(99), 'C', undefined, never), { code: 'DEVICE_UNKNOWN' })
  await t.rejects(moveToTenant(owner, moved.id, 'C', undefined, async () => { throw new Error('no audit') }), /no audit/)
  t.equal(await current(moved.key), 'B', 'what cannot be written down does not happen')
  await t.rejects(owner.query("UPDATE device SET tenant = 'C' WHERE key = $1", [moved.key]), { code: '55000' })
  await t.rejects(owner.query("INSERT INTO tenancy (device, tenant, period) VALUES ($1, 'C', tstzrange(now(), NULL))", [moved.key]), { code: '23P01' }, 'periods cannot overlap')
  await owner.query("INSERT INTO device (id, state, tenant) VALUES ($1, 'active', 'D')", [deviceId(50)])
  t.equal((await owner.query("SELECT count(*)::int AS n FROM tenancy WHERE tenant = 'D'")).rows[0]?.['n'], 1, 'a device registered with a tenant is the tenant\'s')
})
