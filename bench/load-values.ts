// The numbers kept of a run under load, out of what the generator and /proc say. Pure.
import { type LoadResult } from './generator.ts'

/** The numbers every load benchmark keeps of a run. */
export function loadValues ({ messages, seconds, generatorCpu, latencyUs, cpuMs }: LoadResult): Record<string, number> {
  const server = cpuMs['server'] ?? NaN
  return {
    rate: messages / seconds,
    us: server * 1_000 / messages,
    core: server / 1_000 / seconds,
    generator: generatorCpu,
    p50Ms: latencyUs.p50 / 1_000,
    p99Ms: latencyUs.p99 / 1_000
  }
}

/** For a server side of several processes: CPU µs per message of each (`<name>Us`) and in all, and the share of the core they had together. */
export function pathValues (result: LoadResult, samples: number): Record<string, number> {
  const perMessage = Object.entries(result.cpuMs).map(([name, ms]) => [name, ms * 1_000 / result.messages] as const)
  const us = perMessage.reduce((sum, [, one]) => sum + one, 0)
  return {
    ...loadValues(result),
    rows: result.messages * samples / result.seconds,
    us,
    core: us * result.messages / 1e6 / result.seconds,
    ...Object.fromEntries(perMessage.map(([name, one]) => [`${name}Us`, one]))
  }
}
