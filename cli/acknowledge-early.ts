// What Pulsegate must never do, for negative controls only: a queue that acknowledges a message when it is received, as ordinary brokers
// do, and hands on a copy whose outcome nobody hears. A proof that cannot tell it from the real one proves nothing.
import { type Envelope, type QueueWriter } from '../queue/queue.ts'

export function acknowledgeEarly (queue: QueueWriter): QueueWriter {
  return {
    get depth () { return queue.depth },
    accept (envelope: Envelope) {
      const { publisher, kind, payload, receivedAtMs } = envelope
      envelope.settle(null)
      queue.accept({ publisher, kind, payload, receivedAtMs, settle: () => {} })
    }
  }
}
