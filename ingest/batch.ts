// A batch as it goes from preparing to writing: the columns of what will be stored, what goes to quarantine, what births
// say of devices, and for each envelope what became of it. Also the outcome of a write, one per message and no message without one.
import { type Envelope } from '../queue/queue.ts'
import { type PulsegateError } from '../runtime/errors.ts'
import { type QuarantineReason } from '../schemas/reasons.ts'
import { type Columns } from './columns.ts'

/** A message that cannot be stored as data. `detail` says what is wrong and where, never a value. */
export interface QuarantineRow {
  readonly publisher: string
  /** Header fields as far as they could be read. */
  readonly source: string | null
  readonly boot: bigint | null
  readonly seq: number | null
  readonly kind: string
  readonly reason: QuarantineReason
  readonly detail: string
  readonly payload: Buffer
  readonly receivedAtMs: number
}

/** What a birth message says of its source. `message` is its index in the columns. */
export interface BirthRow {
  readonly message: number
  readonly device: number
  readonly kind: string
  readonly model: string
  readonly firmware: string
  readonly serial: string | null
}

/** Where a message in the columns came from, for the case that the database refuses it. */
export interface Origin {
  readonly envelope: Envelope
  readonly source: string
  readonly boot: bigint
  readonly seq: number
}

export interface PreparedBatch {
  readonly columns: Columns
  /** Indexes of the samples in writing order (order.ts). */
  readonly order: Int32Array
  readonly births: readonly BirthRow[]
  readonly quarantined: readonly QuarantineRow[]
  /** By message index. */
  readonly origins: readonly Origin[]
}

/** What became of a message in the columns. */
export const outcome = { pending: 0, stored: 1, duplicate: 2, quarantined: 3 } as const

/**
 * How far a batch is written. It outlives a failed attempt, so that a retry goes on with what is still pending: a batch that was
 * bisected is stored in several transactions.
 */
export interface Progress {
  /** By message index: a value of `outcome`; none is pending when the write has resolved. */
  readonly outcomes: Uint8Array
  /** Rows written; those of duplicates are not. */
  samples: number
  waves: number
  /** Did any part have to ask which receipts are new, instead of going by COPY? */
  asked: boolean
  /** Quarantine rows written: those of the batch and those the database refused. */
  readonly quarantined: QuarantineRow[]
  /** Why the last attempt could not seal what goes to quarantine: those messages, and no others, are pending still. */
  unsealed: PulsegateError | null
}

export function newProgress (batch: PreparedBatch): Progress {
  return { outcomes: new Uint8Array(batch.columns.messages), samples: 0, waves: 0, asked: false, quarantined: [], unsealed: null }
}
