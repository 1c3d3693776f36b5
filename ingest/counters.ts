// What the worker tells the world. Per message exactly one outcome (stored, duplicate, quarantined with its reason), so
// that at rest handed out = stored + duplicate + quarantined. Counted once per batch in plain integers; OpenTelemetry reads
// them when it collects. A message whose commit was in doubt and turns out stored on the retry counts as duplicate.
import { type Attributes, type Histogram } from '@opentelemetry/api'
import { type Observability } from '../runtime/observability.ts'
import { outcome, type Progress } from './batch.ts'

export interface Totals {
  stored: number
  duplicate: number
  quarantined: number
  samples: number
  waves: number
  batches: number
  /** Batches that had to ask which receipts are new. */
  askedBatches: number
  /** Attempts that failed and were made again. */
  retries: number
  /** Samples and waves that were left out because their time had been erased. */
  erased: number
}

// OpenTelemetry's own bounds are made for ms: every commit would fall into the first
const secondsBounds = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 60]
const sizeBounds = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000]

export class IngestCounters {
  readonly totals: Totals = { stored: 0, duplicate: 0, quarantined: 0, samples: 0, waves: 0, batches: 0, askedBatches: 0, retries: 0, erased: 0 }
  readonly reasons = new Map<string, number>()
  readonly #messagesPerBatch: Histogram
  readonly #rowsPerBatch: Histogram
  readonly #commitSeconds: Histogram
  readonly close: () => void

  /** `waiting`: how many messages wait for a data key. */
  constructor ({ meter }: Observability, waiting: () => number) {
    this.#messagesPerBatch = meter.createHistogram('pulsegate_batch_messages', { description: 'Messages in a batch', advice: { explicitBucketBoundaries: sizeBounds } })
    this.#rowsPerBatch = meter.createHistogram('pulsegate_batch_rows', { description: 'Samples and waves written by a batch', advice: { explicitBucketBoundaries: [...sizeBounds, 10_000] } })
    this.#commitSeconds = meter.createHistogram('pulsegate_commit_seconds', { description: 'From the start of writing a batch to its commit, retries included', unit: 's', advice: { explicitBucketBoundaries: secondsBounds } })
    const messages = meter.createObservableCounter('pulsegate_messages_total', { description: 'Messages by what became of them' })
    const rows = meter.createObservableCounter('pulsegate_rows_total', { description: 'Rows written, by table' })
    const batches = meter.createObservableCounter('pulsegate_batches_total', { description: 'Batches committed, by the path their receipts took' })
    const retries = meter.createObservableCounter('pulsegate_batch_retries_total', { description: 'Attempts of a batch that failed and were made again' })
    const erased = meter.createObservableCounter('pulsegate_erased_values_total', { description: 'Samples and waves that came in for a time that had been erased, and were not stored' })
    const waits = meter.createObservableGauge('pulsegate_waiting_for_key', { description: 'Messages for quarantine that wait for a data key, not acknowledged' })
    const all = [messages, rows, batches, retries, erased, waits]
    const observe: Parameters<typeof meter.addBatchObservableCallback>[0] = (result) => {
      const { stored, duplicate, samples, waves, batches: written, askedBatches, retries: retried } = this.totals
      const messagesBy = (attributes: Attributes, count: number): void => { result.observe(messages, count, attributes) }
      messagesBy({ outcome: 'stored' }, stored)
      messagesBy({ outcome: 'duplicate' }, duplicate)
      for (const [reason, count] of this.reasons) messagesBy({ outcome: 'quarantined', reason }, count)
      result.observe(rows, samples, { table: 'sample' })
      result.observe(rows, waves, { table: 'wave' })
      result.observe(batches, written - askedBatches, { path: 'copy' })
      result.observe(batches, askedBatches, { path: 'conflict' })
      result.observe(retries, retried)
      result.observe(erased, this.totals.erased)
      result.observe(waits, waiting())
    }
    meter.addBatchObservableCallback(observe, all)
    this.close = () => { meter.removeBatchObservableCallback(observe, all) }
  }

  retried (): void { this.totals.retries++ }

  erased (values: number): void { this.totals.erased += values }

  batch (messages: number, { outcomes, quarantined, samples, waves, asked }: Progress, commitMs: number): void {
    const { totals } = this
    for (const result of outcomes) {
      if (result === outcome.stored) totals.stored++
      else if (result === outcome.duplicate) totals.duplicate++
    }
    for (const { reason } of quarantined) this.reasons.set(reason, (this.reasons.get(reason) ?? 0) + 1)
    totals.quarantined += quarantined.length
    totals.samples += samples
    totals.waves += waves
    totals.batches++
    if (asked) totals.askedBatches++
    this.#messagesPerBatch.record(messages)
    this.#rowsPerBatch.record(samples + waves)
    this.#commitSeconds.record(commitMs / 1_000)
  }
}
