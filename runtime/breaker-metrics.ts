// The state of a circuit breaker as a metric: 0 closed, 1 half-open, 2 open, by what lies behind it.
import { type BreakerState } from './breaker.ts'
import { type Meter } from './observability.ts'

const values: Readonly<Record<BreakerState, number>> = { closed: 0, 'half-open': 1, open: 2 }

/** Registers the gauge for `target`, such as `database`; the returned function takes it off again. */
export function observeBreaker (meter: Meter, target: string, state: () => BreakerState): () => void {
  const gauge = meter.createObservableGauge('pulsegate_circuit_breaker_state', { description: '0 closed, 1 half-open (one caller is trying), 2 open' })
  const observe: Parameters<typeof gauge.addCallback>[0] = (result) => { result.observe(values[state()], { target }) }
  gauge.addCallback(observe)
  return () => { gauge.removeCallback(observe) }
}
