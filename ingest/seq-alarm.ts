// From what seq-watch.ts finds in a batch to security events with names: which device, which publisher. A fault of it is logged
// once and never hurts a batch that is committed.
import { type PreparedBatch, type Progress } from './batch.ts'
import { type Logger } from '../runtime/observability.ts'
import { type SecurityEvents } from './security-events.ts'
import { type SeqFinding, SeqWatch } from './seq-watch.ts'

export class SeqAlarm {
  readonly #watch = new SeqWatch()
  readonly #events: SecurityEvents
  readonly #log: Logger
  #faulty = false

  constructor (events: SecurityEvents, log: Logger) {
    this.#events = events
    this.#log = log
  }

  /** Called once a batch is committed. */
  note (batch: PreparedBatch, { outcomes }: Progress): void {
    try {
      this.#watch.note(batch.columns, outcomes, (message, finding) => { this.#tell(batch, message, finding) })
    } catch (err) {
      if (!this.#faulty) this.#log.error({ err }, 'the watch over seqs failed: a bug, nothing that was stored is hurt')
      this.#faulty = true
    }
  }

  close (): void { this.#events.close() }

  #tell ({ origins }: PreparedBatch, message: number, { event, reason, ...more }: SeqFinding): void {
    const origin = origins[message]
    if (origin === undefined) return
    const { envelope: { publisher }, source, boot, seq } = origin
    this.#events.tell({ event, reason, device: source, agent: { id: publisher, role: 'device' }, detail: { boot: boot.toString(), seq, ...more } })
  }
}
