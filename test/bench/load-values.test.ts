import { test } from 'tap'
import { type LoadResult } from '../../bench/generator.ts'
import { loadValues, pathValues } from '../../bench/load-values.ts'

const result: LoadResult = {
  messages: 10_000,
  seconds: 2,
  acknowledged: { messages: 9_000, seconds: 1 },
  generatorCpu: 0.25,
  acknowledgedTotal: 10_000,
  latencyUs: { p50: 1_500, p90: 2_000, p99: 4_000, max: 9_000 },
  cpuMs: { server: 500 }
}

test('a server of one process: rate, CPU per message and share of the core over the measured time', async (t) => {
  t.same(loadValues(result), { rate: 5_000, us: 50, core: 0.25, generator: 0.25, p50Ms: 1.5, p99Ms: 4 })
})

test('a server of several processes: CPU by process and in all', async (t) => {
  t.same(pathValues({ ...result, cpuMs: { broker: 300, database: 700 } }, 10),
    { rate: 5_000, rows: 50_000, us: 100, core: 0.5, generator: 0.25, p50Ms: 1.5, p99Ms: 4, brokerUs: 30, databaseUs: 70 })
})
