// The names of what a scenario may hurt, and times that hang on the set-up.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { whyNoSmallDisk } from '../parts/small-disk.ts'
import { type Stage } from '../scenario.ts'
import { type Span } from '../schedule.ts'

export function brokersOf ({ setup }: Stage): string[] { return setup.brokers.map(({ name }) => name) }

export function workersOf ({ setup }: Stage): string[] { return setup.workers.map(({ name }) => name) }

/** Long enough that the other workers have taken over: the one that wakes is a ghost. */
export function beyondLease ({ leaseMs }: Stage): Span { return { low: leaseMs + 1_000, high: 3 * leaseMs + 1_000 } }

/** Why a scenario that needs a small disk cannot run; null when it can. */
export async function whyNoDisk (): Promise<string | null> {
  const directory = await mkdtemp(join(tmpdir(), 'pulsegate-disk-'))
  try {
    return await whyNoSmallDisk(directory)
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}
