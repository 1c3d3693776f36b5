// What a person or a program may ask a running simulator for, and the same as OpenTelemetry counters. Read when asked,
// never pushed per message.
import { type Observability } from '../runtime/observability.ts'

export interface SimulatorStats {
  /** Devices with an identity of their own, relayed sensors included. */
  readonly devices: number
  /** Connections there are, and how many stand (CONNACK 0). */
  readonly connections: number
  readonly connected: number
  /** Why the latest connection ended or did not come about; null while all stand. */
  readonly disconnected: string | null
  /** Connections that stood and ended: all of them, and of the device that lost most. */
  readonly disconnections: number
  readonly mostDisconnections: number
  /** Messages made since the start, births included. */
  readonly made: number
  /** PUBLISHes written, resends included. */
  readonly sent: number
  readonly resent: number
  readonly acknowledged: number
  /** Acknowledged only after having been sent again: whether the first sending had been stored was unknown until then. */
  readonly recovered: number
  /** Made and not acknowledged, those of earlier runs included. */
  readonly outstanding: number
  /** Made and thrown away because the outbox was full. */
  readonly dropped: number
  /** In acknowledged messages. */
  readonly samples: number
  readonly waves: number
  /** Acknowledged a second, over the last 5 s. */
  readonly messagesPerS: number
  /** publish → PUBACK, since the start; null before the first. */
  readonly ackLatency: { readonly p50Ms: number | null, readonly p99Ms: number | null }
}

/** Registers the counters; call what it returns to take them back. */
export function observeStats ({ meter }: Observability, stats: () => SimulatorStats): () => void {
  const messages = meter.createObservableCounter('pulsegate_simulator_messages', { description: 'Messages of the simulated devices, by what became of them' })
  const connections = meter.createObservableGauge('pulsegate_simulator_connections', { description: 'Connections of simulated devices that stand' })
  const outstanding = meter.createObservableGauge('pulsegate_simulator_outstanding', { description: 'Messages made and not acknowledged' })
  const instruments = [messages, connections, outstanding]
  const observe: Parameters<typeof meter.addBatchObservableCallback>[0] = (result) => {
    const { made, sent, resent, acknowledged, dropped, connected, outstanding: held } = stats()
    for (const [outcome, count] of Object.entries({ made, sent, resent, acknowledged, dropped })) result.observe(messages, count, { outcome })
    result.observe(connections, connected)
    result.observe(outstanding, held)
  }
  meter.addBatchObservableCallback(observe, instruments)
  return () => meter.removeBatchObservableCallback(observe, instruments)
}
