// A queue that promises everything and keeps nothing: it settles each envelope at once. It shows what the broker alone
// costs; never use it outside a benchmark.
import { type Envelope, type QueueDepth, type QueueWriter } from '../queue/queue.ts'

export class AcceptQueue implements QueueWriter {
  readonly depth: QueueDepth = { messages: 0, bytes: 0 }
  accepted = 0

  accept (envelope: Envelope): void {
    this.accepted++
    envelope.settle(null)
  }
}
