// CPU time and memory of processes from /proc (Linux). A database server is a tree of processes, some of which end while
// we look, so a tree's time counts its living members and the children they have already waited for.
import { readdirSync, readFileSync } from 'node:fs'

export interface ProcessStat {
  readonly pid: number
  readonly parent: number
  /** user and system time, own and of ended children, in ms */
  readonly cpuMs: number
}

// USER_HZ: the unit of /proc/<pid>/stat is fixed at 100 per second for user space on every Linux platform Node runs on
const msPerTick = 10

/** Reads one line of /proc/<pid>/stat (proc(5)); the command name in parentheses may itself hold spaces and parentheses. */
export function parseStat (line: string): ProcessStat {
  const fields = line.slice(line.lastIndexOf(')') + 2).split(' ').map(Number)
  // after the name come state, ppid …; utime, stime, cutime, cstime are fields 14 to 17 of the line
  const [user = 0, system = 0, childUser = 0, childSystem = 0] = fields.slice(11, 15)
  return { pid: parseInt(line, 10), parent: fields[1] ?? 0, cpuMs: (user + system + childUser + childSystem) * msPerTick }
}

/** The ids of `root` and all below it. */
export function treeOf (stats: readonly ProcessStat[], root: number): Set<number> {
  const members = new Set([root])
  for (let grew = true; grew;) {
    grew = false
    for (const { pid, parent } of stats) {
      if (members.has(parent) && !members.has(pid)) grew = members.add(pid).size > 0
    }
  }
  return members
}

/** The sum over `root` and all its descendants. */
export function treeCpuMs (stats: readonly ProcessStat[], root: number): number {
  const members = treeOf(stats, root)
  return stats.filter(({ pid }) => members.has(pid)).reduce((sum, { cpuMs }) => sum + cpuMs, 0)
}

function readStats (): ProcessStat[] {
  return readdirSync('/proc').filter((name) => /^\d+$/.test(name)).flatMap((pid) => {
    try {
      return [parseStat(readFileSync(`/proc/${pid}/stat`, 'latin1'))]
    } catch {
      return [] // it ended between the listing and the reading
    }
  })
}

/** The ids of a running process and all below it. */
export function descendants (pid: number): number[] {
  return [...treeOf(readStats(), pid)]
}

/** CPU time used so far, in ms, by each named process and its descendants. */
export function cpuOf<Name extends string> (pids: Readonly<Record<Name, number>>): Record<Name, number> {
  const stats = readStats()
  const entries = Object.entries<number>(pids).map(([name, pid]) => [name, treeCpuMs(stats, pid)])
  return Object.fromEntries(entries) as Record<Name, number>
}

/** Resident memory of one process in KiB. */
export function residentKiB (pid: number): number {
  const line = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))
  return Number(line?.[1] ?? NaN)
}
