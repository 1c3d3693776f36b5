// What a queue may hold and how large a batch may get, shared by every implementation. `maxMessages`, `maxBytes` and
// `maxAgeMs` shape a batch (one transaction); `holdMessages` and `holdBytes` bound the queue's memory: at the bound
// `accept` settles with QUEUE_FULL, which closes the connection of the device, and the device sends again later. The broker's own bounds are
// meant to be reached first (it pauses sockets), so QUEUE_FULL is the second line, not the first.

export interface QueueLimits {
  /** Messages in one batch. */
  readonly maxMessages: number
  /** Payload bytes in one batch (a single larger message still goes, alone). */
  readonly maxBytes: number
  /** How long a message may wait for company, ms. */
  readonly maxAgeMs: number
  /** Messages accepted and not settled, all batches included. */
  readonly holdMessages: number
  /** Payload bytes accepted and not settled. */
  readonly holdBytes: number
}

export const defaultQueueLimits: QueueLimits = {
  // 1,000 messages of 10 samples = 10,000 rows: beyond that larger batches bring nothing (measured), only latency
  maxMessages: 1_000,
  // waves are the bulk: 4 MiB is 1,000 messages of one second of ECG
  maxBytes: 4 * 1024 * 1024,
  // reached under steady load only: by then a commit (2 to 10 ms) has gone by, so what waited goes at once
  maxAgeMs: 10,
  // twice the broker's usual bound: a two-minute pause of the database fills the broker's sockets, not this
  holdMessages: 200_000,
  holdBytes: 256 * 1024 * 1024
}
