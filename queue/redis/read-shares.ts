// How much to ask of each partition at once: pure. What is in hand (read and not acknowledged, or on its way here) is bounded in messages
// and bytes, so that neither a backlog nor large messages fill the worker's memory.
import { type QueueLimits } from '../limits.ts'

export interface Amount {
  readonly messages: number
  readonly bytes: number
}

// one batch with the database, one being prepared, one to follow at once
const batchesInHand = 3
const mostAtOnce = 1_000

/**
 * What each of `partitions` may be asked for; null = no room. `inHand`: what is here, and what was asked for and has not come.
 * `allowed`: bytes that may be on their way at once (allowance.ts), of which `underWay` are.
 */
export function readShares (limits: QueueLimits, inHand: Amount, partitions: number, allowed: number, underWay: number): Amount | null {
  if (partitions === 0) return null
  const messages = batchesInHand * limits.maxMessages - inHand.messages
  const bytes = Math.min(batchesInHand * limits.maxBytes - inHand.bytes, allowed - underWay)
  if (messages <= 0 || bytes <= 0) return inHand.messages === 0 ? { messages: 1, bytes: 1 } : null
  return {
    messages: Math.max(1, Math.min(mostAtOnce, Math.floor(messages / partitions))),
    bytes: Math.max(1, Math.floor(bytes / partitions)) // one message always comes, whatever its size
  }
}
