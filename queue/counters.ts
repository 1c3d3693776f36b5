// What a queue tells the world: depth, batches by trigger, messages settled and refused. Plain integers on the hot
// path; OpenTelemetry reads them when it collects. `close` unregisters, so a stopped queue is not reported for ever.
import { type Observability } from '../runtime/observability.ts'
import { type BatchTrigger, type QueueDepth } from './queue.ts'

const triggers: readonly BatchTrigger[] = ['rows', 'bytes', 'age', 'idle', 'drain']

export class QueueCounters {
  readonly #batches: Record<BatchTrigger, number> = { rows: 0, bytes: 0, age: 0, idle: 0, drain: 0 }
  readonly #refused = new Map<string, number>()
  #durable = 0
  #failed = 0
  #messages = 0
  readonly close: () => void

  /** `prefix`: of the instruments' names; a process with two queues tells them apart by it. */
  constructor ({ meter }: Observability, depth: () => QueueDepth, prefix = 'pulsegate_queue') {
    const held = meter.createObservableGauge(`${prefix}_messages`, { description: 'Messages accepted and not settled' })
    const bytes = meter.createObservableGauge(`${prefix}_bytes`, { description: 'Payload bytes accepted and not settled', unit: 'By' })
    const batches = meter.createObservableCounter(`${prefix}_batches_total`, { description: 'Batches handed out, by what made them due' })
    const handed = meter.createObservableCounter(`${prefix}_handed_out_total`, { description: 'Messages handed out in batches' })
    const settled = meter.createObservableCounter(`${prefix}_settled_total`, { description: 'Messages settled, by outcome' })
    const refused = meter.createObservableCounter(`${prefix}_refused_total`, { description: 'Messages not taken, by reason' })
    const all = [held, bytes, batches, handed, settled, refused]
    const observe: Parameters<typeof meter.addBatchObservableCallback>[0] = (result) => {
      const now = depth()
      result.observe(held, now.messages)
      result.observe(bytes, now.bytes)
      result.observe(handed, this.#messages)
      for (const trigger of triggers) result.observe(batches, this.#batches[trigger], { trigger })
      result.observe(settled, this.#durable, { outcome: 'durable' })
      result.observe(settled, this.#failed, { outcome: 'failed' })
      for (const [reason, count] of this.#refused) result.observe(refused, count, { reason })
    }
    meter.addBatchObservableCallback(observe, all)
    this.close = () => { meter.removeBatchObservableCallback(observe, all) }
  }

  batch (trigger: BatchTrigger, messages: number): void {
    this.#batches[trigger]++
    this.#messages += messages
  }

  settled (messages: number, durable: boolean): void {
    if (durable) this.#durable += messages
    else this.#failed += messages
  }

  refused (reason: string): void {
    this.#refused.set(reason, (this.#refused.get(reason) ?? 0) + 1)
  }
}
