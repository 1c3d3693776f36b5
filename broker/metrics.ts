// The broker's integers as OpenTelemetry instruments, read when somebody scrapes and never on the hot path.
import { type Meter } from '../runtime/observability.ts'
import { refusals, type RefusalReason } from './refusals.ts'
import { type BrokerStats } from './stats.ts'

/** Registers the instruments; the returned function takes them off again. */
export function observe (meter: Meter, stats: () => BrokerStats): () => void {
  const received = meter.createObservableCounter('pulsegate_broker_messages_received', { description: 'Messages that came in: given to the queue, or refused' })
  const pubacks = meter.createObservableCounter('pulsegate_broker_pubacks_sent', { description: 'PUBACK packets written' })
  const refused = meter.createObservableCounter('pulsegate_broker_refused', { description: 'Refusals by stage and reason; stage publish counts messages, the others connections or filters' })
  const connections = meter.createObservableGauge('pulsegate_broker_connections', { description: 'Connections past the TLS handshake' })
  const sessions = meter.createObservableGauge('pulsegate_broker_sessions', { description: 'Connections with an accepted CONNECT' })
  const paused = meter.createObservableGauge('pulsegate_broker_connections_paused', { description: 'Connections that are not read because a bound is reached' })
  const messages = meter.createObservableGauge('pulsegate_broker_in_flight_messages', { description: 'Messages taken and not acknowledged' })
  const bytes = meter.createObservableGauge('pulsegate_broker_in_flight', { description: 'Their payload', unit: 'By' })
  const slowed = meter.createObservableCounter('pulsegate_broker_slowed', { description: 'Times a connection was paused because it, or all together, sent faster than they may' })
  const waiting = meter.createObservableGauge('pulsegate_broker_handshakes_waiting', { description: 'Connections whose TLS handshake has not begun because others are at it' })
  const banned = meter.createObservableGauge('pulsegate_broker_banned', { description: 'Devices kept out as flapping; addresses kept out or slowed down after failures' })
  const latency = meter.createObservableGauge('pulsegate_broker_ack_latency', { description: 'From taking a PUBLISH to writing its PUBACK, since the start', unit: 'ms' })
  const instruments = [received, pubacks, refused, connections, sessions, paused, messages, bytes, slowed, waiting, banned, latency]
  const read: Parameters<Meter['addBatchObservableCallback']>[0] = (result) => {
    const now = stats()
    result.observe(received, now.received)
    result.observe(pubacks, now.pubacksSent)
    for (const [reason, count] of Object.entries(now.refused)) {
      result.observe(refused, count, { stage: refusals[reason as RefusalReason].stage, reason })
    }
    result.observe(connections, now.connections)
    result.observe(sessions, now.sessions)
    result.observe(paused, now.paused)
    result.observe(messages, now.inFlight.messages)
    result.observe(bytes, now.inFlight.bytes)
    result.observe(slowed, now.slowed)
    result.observe(waiting, now.handshakes.waiting)
    result.observe(banned, now.banned.devices, { kind: 'device' })
    result.observe(banned, now.banned.addresses, { kind: 'address' })
    if (now.ackLatency.p50Ms !== null) result.observe(latency, now.ackLatency.p50Ms, { quantile: '0.5' })
    if (now.ackLatency.p99Ms !== null) result.observe(latency, now.ackLatency.p99Ms, { quantile: '0.99' })
  }
  meter.addBatchObservableCallback(read, instruments)
  return () => meter.removeBatchObservableCallback(read, instruments)
}
