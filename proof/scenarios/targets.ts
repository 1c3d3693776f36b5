// The names of what a scenario may hurt, and times that hang on the set-up.
import { type Scenario, type Stage } from '../scenario.ts'
import { type Span } from '../schedule.ts'

export function brokersOf ({ setup }: Stage): string[] { return setup.brokers.map(({ name }) => name) }

export function workersOf ({ setup }: Stage): string[] { return setup.workers.map(({ name }) => name) }

/** Long enough that the other workers have taken over: the one that wakes is a ghost. */
export function beyondLease ({ leaseMs }: Stage): Span { return { low: leaseMs + 1_000, high: 3 * leaseMs + 1_000 } }

/** Why a scenario that mounts a disk cannot run; null when it can. */
export const needsRoot: NonNullable<Scenario['impossible']> = async () =>
  process.getuid?.() === 0 && process.platform === 'linux' ? null : 'a small disk can only be mounted by root on Linux'
