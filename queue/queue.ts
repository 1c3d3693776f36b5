// The durable seam between the broker, which takes messages, and the ingest worker, which stores them.
// Data and the duty to acknowledge travel together: an envelope carries its own `settle`, a batch carries its
// envelopes, and whoever has made the batch durable settles it. Nobody acknowledges what they do not hold.
//
// Promise: `settle(null)` is called exactly once, and only after the message is durable (direct: its transaction has
// committed; redis: XADD answered under appendfsync always). `settle(error)` means: not stored, never acknowledge it.

/** The uplink topic a message came in on: the last segment of `v1/<device id>/<kind>`. */
export type UplinkKind = 'telemetry' | 'birth' | 'result'

/** A message with what the broker knows of it. */
export interface Envelope {
  /** Device id (lower-case UUID text) from the certificate of the connection. */
  readonly publisher: string
  readonly kind: UplinkKind
  /** The CBOR payload, a copy of its own (never a view that pins a read buffer). */
  readonly payload: Buffer
  /** When the broker took it, ms since 1970 UTC. */
  readonly receivedAtMs: number
  /** Goes in a batch of its own: workers have died with it in their hands, and the others shall not suffer again. */
  readonly alone?: true
  /** Workers have died even when it was alone: quarantine it without decoding it. */
  readonly poison?: true
  /** Called at most once, before `settle`: it waits (`Waiting`), and whoever gave it need hold nothing up for it. */
  waits? (): void
  /**
   * Called exactly once. `null`: durable, acknowledge. An error: not durable and never will be here; do not
   * acknowledge, the device keeps the message and sends it again.
   */
  settle (error: Error | null): void
}

/** Why a batch was handed out. */
export type BatchTrigger =
  /** it reached `maxMessages` (bounds the rows of a transaction) */
  | 'rows'
  /** it reached `maxBytes` */
  | 'bytes'
  /** its oldest message reached `maxAgeMs` */
  | 'age'
  /** the worker is free and nothing more is on its way: waiting longer would only add latency */
  | 'idle'
  /** the queue is being drained */
  | 'drain'

/** What is written in one transaction. */
export interface Batch {
  readonly envelopes: readonly Envelope[]
  /** Sum of the payload lengths, bytes. */
  readonly bytes: number
  readonly trigger: BatchTrigger
}

/** Messages of a batch that wait for something of their own while the others are durable. Its holder bounds how many wait. */
export interface Waiting {
  readonly envelopes: readonly Envelope[]
  /** Resolves when all of them are durable; rejects when they are given up. */
  readonly durable: Promise<void>
}

/**
 * Makes a batch durable. Resolves when every message of it is durable (stored, duplicate or quarantined), but for those that it
 * says are waiting; the queue then settles the durable ones with `null`, and hands out the next batch. Rejects only when it gives up
 * (hard stop, unrecoverable fault); the queue then settles all of them with that error. Waiting out an outage is the handler's
 * business: the queue never retries.
 */
export type BatchHandler = (batch: Batch) => Promise<Waiting | void>

export interface QueueDepth {
  /** Messages accepted and not yet settled, those being written included. */
  readonly messages: number
  /** Their payload bytes. */
  readonly bytes: number
}

/** What the broker sees. */
export interface QueueWriter {
  /**
   * Takes over an envelope. Never throws and never blocks; the outcome comes through `envelope.settle`, later or at
   * once. When the queue is full or closed it settles with a QUEUE_FULL / QUEUE_CLOSED error.
   */
  accept (envelope: Envelope): void
  readonly depth: QueueDepth
}

/** What the worker sees. */
export interface QueueReader {
  /**
   * Starts handing batches to `handler`, at most `concurrency` at a time, in the order of acceptance. One consumer at a time.
   * Resolves when the queue was closed and everything handed out has been settled.
   */
  consume (handler: BatchHandler, options?: { concurrency?: number }): Promise<void>
}

export interface Queue extends QueueWriter, QueueReader {
  /**
   * Resolves when what was settled by now is handled too: at once in the direct queue, where that is the same; over Redis when
   * this process has worked off what lies there. Rejects when `signal` aborts.
   */
  untilHandled (signal: AbortSignal): Promise<void>
  /**
   * Soft: accept no more, hand out all that is held, resolve when all is settled. With `signal` aborted: settle what is
   * left with QUEUE_CLOSED at once (hard stop).
   */
  close (signal?: AbortSignal): Promise<void>
}
