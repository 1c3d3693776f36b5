// Waves that reach over the beginning or the end of an erased time, whenever they come: the values in it go, the others stay, each once.
import { test } from 'tap'
import { type Database } from '../../ingest/database.ts'
import { erase } from '../fixtures/erasures.ts'
import { ingestBench } from '../fixtures/ingest.ts'
import { storeDevice, type StoredDevice, storeSamples, storeWave } from '../fixtures/stored.ts'
import { needsServices } from '../services/skip.ts'

const hourMs = 3_600_000
const startMs = Math.floor(Date.now() / hourMs) * hourMs - 30 * hourMs

/** One value a second. */
function plant (owner: Database, device: StoredDevice, atMs: number, values: number[], periodUs = 1_000_000): Promise<void> {
  return storeWave(owner, device, 4, { timeMs: startMs + atMs, periodUs, scale: 1, offset: 0, values })
}

/** What is left: when each block begins, ms from the start, and its values. */
async function blocks (owner: Database): Promise<Array<[number, number[]]>> {
  const { rows } = await owner.query<{ at: number, values: number[] }>('SELECT extract(epoch FROM time)::float8 AS at, "values" FROM wave ORDER BY time, "values"')
  return rows.map(({ at, values }) => [at * 1_000 - startMs, values])
}

for (const edition of ['plain', 'timescaledb-apache'] as const) {
  test(`${edition}: a wave that a worker wrote across an edge after the first pass, and one after the last [C21]`, needsServices, async (t) => {
    const { owner, database } = await ingestBench(t, { edition })
    const device = await storeDevice(owner)
    await storeSamples(owner, device, 1, [{ timeMs: startMs + 60_000, value: 1 }])
    const query = owner.query.bind(owner)
    let second = 0
    const late = async (): Promise<void> => {
      await plant(owner, device, -2_000, [1, 2, 3, 4])
      await plant(owner, device, hourMs * 2 - 1_000, [5, 6, 7])
      await plant(owner, device, hourMs - 1_000, [8, 9])
    }
    t.intercept(owner, 'query', {
      value: async (text: string, values?: unknown[]) => {
      // the second pass begins with this
        if (text.startsWith('UPDATE erasure_part SET done_to') && ++second === 1) await late()
        return query(text, values)
      }
    })
    const request = { target: { kind: 'device', id: device.id }, fromMs: startMs, toMs: startMs + 2 * hourMs } as const
    await erase(owner, request)
    t.equal(second, 1)
    const outside: Array<[number, number[]]> = [[-2_000, [1, 2]], [2 * hourMs, [6, 7]]]
    t.strictSame(await blocks(owner), outside)
    await late()
    await Promise.all([database.query('SELECT erase_again()'), database.query('SELECT erase_again()')])
    t.strictSame(await blocks(owner), outside.flatMap((block) => [block, block]), 'those of the upkeep beside those from before, each once')
    const { rows } = await owner.query('SELECT samples::int4, waves::int4 FROM erased_rows')
    t.strictSame(rows, [{ samples: 1, waves: 2 }], 'counted: six waves were planted, four are left')
  })
}

test('a block longer than an int4 of microseconds; one in which no value lies in the time', needsServices, async (t) => {
  const { owner } = await ingestBench(t, { edition: 'plain' })
  const device = await storeDevice(owner)
  const long = Array.from({ length: 59 }, (_, i) => i)
  await plant(owner, device, -30 * 60_000, long, 60_000_000)
  await plant(owner, device, -500, [1, 2])
  await erase(owner, { target: { kind: 'device', id: device.id }, fromMs: startMs + 60_000, toMs: startMs + 90_000 })
  t.strictSame(await blocks(owner), [[-30 * 60_000, long.slice(0, 31)], [-500, [1, 2]], [2 * 60_000, long.slice(32)]])
})

test('no bound of the columnstore holds an erasure or its repetition up', needsServices, async (t) => {
  const { owner } = await ingestBench(t, { edition: 'plain' })
  const device = await storeDevice(owner)
  await erase(owner, { target: { kind: 'device', id: device.id } })
  for (const call of ['erase_again()', `erase_edges(${device.key}, now() - INTERVAL '1 hour', now())`, `erase_slice(${device.key}, date_trunc('hour', now()), now())`]) {
    const { rows } = await owner.transaction((client) => client.query(`SELECT ${call}, 1`)
      .then(() => client.query("SELECT current_setting('timescaledb.max_tuples_decompressed_per_dml_transaction', true) AS bound")))
    t.strictSame(rows, [{ bound: '0' }], call)
  }
})
