// How many messages to ask of each partition at once: pure. What is in hand is bounded in messages and bytes, so that neither a backlog
// nor large messages fill the worker's memory; a message's size is only known once it is read, so its mean so far stands in.
import { type QueueLimits } from '../limits.ts'
import { type QueueDepth } from '../queue.ts'

// one batch with the database, one being prepared, one to follow at once
const batchesInHand = 3
const mostAtOnce = 1_000

/** `partitions`: how many are asked; 0 = there is no room, or nobody to ask. */
export function readShares (limits: QueueLimits, inHand: QueueDepth, partitions: number, meanBytes: number): number {
  if (partitions === 0) return 0
  const messages = batchesInHand * limits.maxMessages - inHand.messages
  const bytes = batchesInHand * limits.maxBytes - inHand.bytes
  const room = Math.min(messages, Math.floor(bytes / Math.max(1, meanBytes)))
  if (room <= 0) return inHand.messages === 0 ? 1 : 0
  return Math.max(1, Math.min(mostAtOnce, Math.floor(room / partitions)))
}
