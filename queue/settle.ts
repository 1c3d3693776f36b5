// Settling an envelope, for every queue: one acknowledgement that throws must not keep the others from going out.
import { type Logger } from '../runtime/observability.ts'
import { type Envelope } from './queue.ts'

export function settle (envelope: Envelope, error: Error | null, log: Logger): void {
  try {
    envelope.settle(error)
  } catch (fault) {
    log.error({ err: fault, device: envelope.publisher }, 'settling a message threw')
  }
}
