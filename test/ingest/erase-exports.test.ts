// An erasure of a part destroys the exports of that part, and no other.
import { test } from 'tap'
import { clearExports } from '../../ingest/erase-exports.ts'
import { type Database } from '../../ingest/database.ts'
import { begin, erase } from '../fixtures/erasures.ts'
import { ingestBench } from '../fixtures/ingest.ts'
import { storeDevice } from '../fixtures/stored.ts'
import { needsServices } from '../services/skip.ts'

const hourMs = 3_600_000
const startMs = Math.floor(Date.now() / hourMs) * hourMs - 30 * hourMs
const at = (hours: number): Date => new Date(startMs + hours * hourMs)

interface Made { readonly name: string, readonly subjects?: string[], readonly devices?: string[], readonly from: number | null, readonly to: number | null, readonly clear?: true }

async function plant (owner: Database, exports: readonly Made[]): Promise<void> {
  for (const { name, subjects = [], devices = [], from, to, clear } of exports) {
    const { rows: [key] } = await owner.query<{ id: string }>("INSERT INTO data_key (purpose, master, wrapped) VALUES ('export', 'm', 'w') RETURNING id")
    await owner.query('INSERT INTO export (id, key, made_by, subjects, devices, from_time, to_time) VALUES (gen_random_uuid(), $1, $2, $3, $4, $5, $6)',
      [clear === true ? null : key?.id, name, subjects, devices, from === null ? null : at(from), to === null ? null : at(to)])
  }
}

async function destroyed (owner: Database): Promise<string[]> {
  const { rows } = await owner.query<{ name: string }>('SELECT e.made_by AS name FROM export e JOIN data_key k ON k.id = e.key WHERE k.wrapped IS NULL ORDER BY 1')
  return rows.map(({ name }) => name)
}

test('a part of a subject: exports of another time stay readable [C21]', needsServices, async (t) => {
  const { owner } = await ingestBench(t, { edition: 'plain' })
  const device = await storeDevice(owner)
  await owner.query("INSERT INTO assignment (device, subject, period) VALUES ($1, 'P-1', tstzrange($2, $3))", [device.key, at(0), at(10)])
  const of = { subjects: ['P-1'], devices: [device.id] }
  await plant(owner, [
    { ...of, name: 'before', from: 0, to: 2 }, { ...of, name: 'across', from: 1, to: 3 }, { ...of, name: 'within', from: 2.2, to: 2.8 },
    { ...of, name: 'after', from: 3, to: 4 }, { name: 'once assigned', subjects: ['P-1'], from: null, to: 2.5 }, { name: 'of another', subjects: ['P-2'], from: null, to: null },
    { ...of, name: 'clear, within', from: 2, to: 3, clear: true }, { ...of, name: 'clear, after', from: 4, to: 5, clear: true }
  ])
  const { erasure } = await erase(owner, { target: { kind: 'subject', id: 'P-1' }, fromMs: startMs + 2 * hourMs, toMs: startMs + 3 * hourMs })
  t.strictSame(await destroyed(owner), ['across', 'once assigned', 'within'])
  t.strictSame((await clearExports(owner, erasure)).map(({ madeBy }) => madeBy), ['clear, within'])
})

test('all of a subject: every export that names it, told by its tombstone too [C21]', needsServices, async (t) => {
  const { owner } = await ingestBench(t, { edition: 'plain' })
  await plant(owner, [{ name: 'a', subjects: ['P-1', 'P-2'], from: 0, to: 1 }, { name: 'b', subjects: ['P-2'], from: 0, to: 1 }, { name: 'clear', subjects: ['P-1'], from: 0, to: 1, clear: true }])
  const { erasure } = await erase(owner, { target: { kind: 'subject', id: 'P-1' } })
  t.strictSame(await destroyed(owner), ['a'])
  t.strictSame((await clearExports(owner, erasure)).map(({ madeBy }) => madeBy), ['clear'], 'also in a continuation, whose name is gone')
  t.ok(await begin(owner, { target: { kind: 'subject', id: 'P-2' } }))
})
