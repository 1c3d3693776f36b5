// What every part is given to speak with: a logger, a meter and a tracer. Parts never make their own, so a test can
// listen in and a process decides once where it all goes. Without an SDK registered the OpenTelemetry API is a no-op.
import { metrics, trace, type Meter, type Tracer } from '@opentelemetry/api'
import { pino, type Logger } from 'pino'

export type { Logger } from 'pino'
export type { Meter, Tracer } from '@opentelemetry/api'

export interface Observability {
  readonly log: Logger
  readonly meter: Meter
  readonly tracer: Tracer
}

/** For tests and tools: logs nothing, counts into whatever global SDK is registered (none by default). */
export function quietObservability (): Observability {
  return { log: pino({ level: 'silent' }), meter: metrics.getMeter('pulsegate'), tracer: trace.getTracer('pulsegate') }
}
