// What the worker's side of the queue over Redis tells the world; read when somebody scrapes.
import { type Meter } from '../../runtime/observability.ts'

export interface ReaderCounts {
  /** Messages read once more: after a takeover, a lost connection, a failed batch. */
  redelivered: number
  /** Entries somebody removed from a stream before they were acknowledged. */
  gone: number
  /** Acknowledgements that the server refused, because the lease was gone. */
  fenced: number
}

export interface ReaderFacts extends ReaderCounts {
  readonly entries: number
  readonly inHand: number
  readonly held: number
}

/** Registers the instruments; the returned function takes them off again. */
export function observeReader (meter: Meter, facts: () => ReaderFacts): () => void {
  const entries = meter.createObservableGauge('pulsegate_redis_entries', { description: 'Messages in the partitions held here that are not acknowledged' })
  const inHand = meter.createObservableGauge('pulsegate_redis_in_hand', { description: 'Of them those that this worker has read' })
  const held = meter.createObservableGauge('pulsegate_redis_partitions_held', { description: 'Partitions held by this worker' })
  const redelivered = meter.createObservableCounter('pulsegate_redis_redelivered', { description: 'Messages read once more' })
  const gone = meter.createObservableCounter('pulsegate_redis_gone', { description: 'Entries removed from a stream before they were acknowledged' })
  const fenced = meter.createObservableCounter('pulsegate_redis_fenced', { description: 'Acknowledgements refused because the lease was gone' })
  const all = [entries, inHand, held, redelivered, gone, fenced]
  const observe: Parameters<Meter['addBatchObservableCallback']>[0] = (result) => {
    const now = facts()
    result.observe(entries, now.entries)
    result.observe(inHand, now.inHand)
    result.observe(held, now.held)
    result.observe(redelivered, now.redelivered)
    result.observe(gone, now.gone)
    result.observe(fenced, now.fenced)
  }
  meter.addBatchObservableCallback(observe, all)
  return () => { meter.removeBatchObservableCallback(observe, all) }
}
