// One attempt to store a batch, which says what of it could not be sealed instead of failing. Takes a writer and a prepared batch, gives
// the messages that are neither stored nor in quarantine, and why.
import { type Envelope } from '../queue/queue.ts'
import { outcome, type PreparedBatch, type Progress } from './batch.ts'
import { type Attempt } from './waiting-room.ts'
import { type Writer } from './writer.ts'

export interface StoreOptions {
  readonly prepared: PreparedBatch
  readonly progress: Progress
  /** The key service is asked nothing: what needs a key that is not in memory is left. */
  readonly memoryOnly: boolean
}

/** Errors: the database's, see Writer.write. */
export async function store (writer: Writer, envelopes: readonly Envelope[], { prepared, progress, memoryOnly }: StoreOptions): Promise<Attempt> {
  try {
    await writer.write(prepared, progress, { memoryOnly })
  } catch (error) {
    if (error !== progress.unsealed) throw error
  }
  return { left: pendingOf(envelopes, prepared, progress), fault: progress.unsealed }
}

/** Those of the batch's messages that are neither stored nor in quarantine yet. A row has the very bytes of its message. */
function pendingOf (envelopes: readonly Envelope[], batch: PreparedBatch, { outcomes, quarantined }: Progress): Envelope[] {
  const done = new Map(batch.origins.map(({ envelope }, i) => [envelope, outcomes[i] !== outcome.pending]))
  const written = new Set(quarantined.map(({ payload }) => payload))
  return envelopes.filter((envelope) => !(done.get(envelope) ?? written.has(envelope.payload)))
}
