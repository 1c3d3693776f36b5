import { test } from 'tap'
import { parseStat, treeCpuMs } from '../../bench/cpu.ts'

test('a line of /proc/<pid>/stat is read, whatever the command is called', async (t) => {
  const line = '4242 (postgres: a) (b c) S 17 4242 4242 0 -1 4194560 1 2 3 4 100 50 7 3 20 0 1 0 999'
  t.same(parseStat(line), { pid: 4242, parent: 17, cpuMs: 1_600 })
})

test('a tree counts the root and all below it, in any order, and nobody else', async (t) => {
  const stats = [
    { pid: 30, parent: 20, cpuMs: 4 },
    { pid: 20, parent: 10, cpuMs: 2 },
    { pid: 10, parent: 1, cpuMs: 1 },
    { pid: 99, parent: 1, cpuMs: 1_000 }
  ]
  t.equal(treeCpuMs(stats, 10), 7)
  t.equal(treeCpuMs(stats, 12_345), 0)
})
