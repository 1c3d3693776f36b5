// May this message be stored as data? Pure: takes a decoded message and what the registry says, gives null or the reason
// for quarantine. Deny by default: the publisher must be active, the source known, active and, when it is another device
// than the publisher, paired with it at the time of the message.
import { metricById } from '../schemas/metrics.ts'
import { type QuarantineReason } from '../schemas/reasons.ts'
import { type Message } from '../schemas/telemetry.ts'
import { type KnownDevice } from './lookup.ts'
import { isIn, type Period } from './period.ts'

export interface Refusal { readonly reason: QuarantineReason, readonly detail: string }

export interface Parties {
  readonly relayed: boolean
  readonly publisher: KnownDevice | undefined
  readonly source: KnownDevice | undefined
}

/** The devices of a message, before anything is asked about it that would leave a trace in the database. */
export function refuseDevices ({ relayed, publisher, source }: Parties): Refusal | null {
  if (relayed && publisher?.state !== 'active') {
    return { reason: 'publisher-not-active', detail: publisher === undefined ? 'the publisher is not registered' : `the publisher is ${publisher.state}` }
  }
  if (source === undefined) return { reason: 'unknown-source', detail: 'the source is not registered' }
  return source.state === 'active' ? null : { reason: 'source-not-active', detail: `the source is ${source.state}` }
}

/** A relayed message must fall in a period in which source and publisher are paired. */
export function refusePairing (periods: readonly Period[] | undefined, timeMs: number): Refusal | null {
  if (periods !== undefined && isIn(periods, timeMs)) return null
  const never = periods === undefined || periods.length === 0
  return { reason: 'not-paired', detail: never ? 'source and publisher were never paired' : 'source and publisher were not paired at the time of the message' }
}

/** Every metric must be registered, and be a wave exactly where the message says so. */
export function refuseMetrics (message: Message): Refusal | null {
  if (message.kind === 'birth') return null
  for (const { metric } of message.samples) {
    const known = metricById(metric)
    if (known === undefined) return { reason: 'unknown-metric', detail: `samples: metric ${metric} is not registered` }
    if (known.wave) return { reason: 'unknown-metric', detail: `samples: metric ${metric} is registered as a wave` }
  }
  for (const { metric } of message.waves) {
    const known = metricById(metric)
    if (known === undefined) return { reason: 'unknown-metric', detail: `waves: metric ${metric} is not registered` }
    if (!known.wave) return { reason: 'unknown-metric', detail: `waves: metric ${metric} is not registered as a wave` }
  }
  return null
}
