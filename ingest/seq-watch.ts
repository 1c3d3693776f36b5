// Watches what is stored for signs that two speak with one device's voice, or that its clock was moved. Takes a batch after its commit
// and what became of each message; tells what it finds by message index. Integers in tables of fixed size, some tens of ns a message;
// a slot that falls to another series forgets the one before, so what is forgotten is at worst not noticed, never a false alarm.
//
//   seq-regression  lower-than-live: a new message, not marked historical, whose seq is further below the highest live one of its boot
//                   than a sender may have unacknowledged. Judged for each publisher by itself: two gateways that relay one source,
//                   one after the other, each send its messages in order.
//                   identity-reused: the (source, boot, seq) of a message seen a moment ago, with another tick or time: other content.
//   clock-step      flagged: the device says that its clock was stepped.
//                   jumped: its wall clock has moved against its tick, between two live messages of one boot, by more than it may be wrong.
import { outcome } from './batch.ts'
import { type Columns } from './columns.ts'

export type SeqFinding =
  | { readonly event: 'seq-regression', readonly reason: 'lower-than-live', readonly highest: number }
  | { readonly event: 'seq-regression', readonly reason: 'identity-reused' }
  | { readonly event: 'clock-step', readonly reason: 'flagged' }
  | { readonly event: 'clock-step', readonly reason: 'jumped', readonly byMs: number }

export interface SeqWatchOptions {
  /** How far below the highest a live message may be; default 256, what one connection may have unacknowledged (broker/limits.ts). */
  readonly inFlightMessages?: number
  /** By how much wall clock and tick may part between two messages, beyond the error the device admits; default 5 s. */
  readonly stepMs?: number
}

// 65,536 series of 28 bytes and as many recent messages of 32: 4 MB
const slots = 2 ** 16
const historical = 1
const stepped = 8

export class SeqWatch {
  readonly #bound: number
  readonly #stepMs: number
  // by series, a boot as one publisher sends it
  readonly #boot = new Float64Array(slots)
  readonly #publisher = new Int32Array(slots)
  readonly #highest = new Float64Array(slots)
  /** Wall time at tick 0, NaN until known, and how wrong the device says it may be. */
  readonly #wallMs = new Float64Array(slots)
  readonly #errorMs = new Float64Array(slots)
  // by message
  readonly #seenBoot = new Float64Array(slots)
  readonly #seenSeq = new Float64Array(slots)
  readonly #seenTick = new Float64Array(slots)
  readonly #seenTime = new Float64Array(slots)

  constructor ({ inFlightMessages = 256, stepMs = 5_000 }: SeqWatchOptions = {}) {
    this.#bound = inFlightMessages
    this.#stepMs = stepMs
  }

  /** `outcomes`: by message, values of `outcome`. */
  note (columns: Columns, outcomes: Uint8Array, found: (message: number, finding: SeqFinding) => void): void {
    for (let i = 0; i < columns.messages; i++) {
      const became = outcomes[i]
      if (became !== outcome.stored && became !== outcome.duplicate) continue
      const reused = this.#reused(columns, i)
      if (reused) found(i, { event: 'seq-regression', reason: 'identity-reused' })
      const isNew = became === outcome.stored
      const says = isNew && ((columns.flags[i] as number) & stepped) !== 0
      if (says) found(i, { event: 'clock-step', reason: 'flagged' })
      if (((columns.flags[i] as number) & historical) !== 0) continue
      const slot = this.#series(columns, i)
      const seq = columns.seq[i] as number
      const highest = this.#highest[slot] as number
      if (seq > highest) {
        this.#highest[slot] = seq
        const byMs = this.#parted(slot, columns, i)
        if (isNew && !says && byMs !== 0) found(i, { event: 'clock-step', reason: 'jumped', byMs })
      } else if (isNew && !reused && highest - seq > this.#bound) found(i, { event: 'seq-regression', reason: 'lower-than-live', highest })
    }
  }

  /** Was there a moment ago another message with this identity? */
  #reused ({ boot, seq, tickMs, timeMs }: Columns, i: number): boolean {
    const slot = (mix(boot[i] as number, 0) + (seq[i] as number)) & (slots - 1)
    const known = this.#seenBoot[slot] === boot[i] && this.#seenSeq[slot] === seq[i]
    const other = known && (this.#seenTick[slot] !== tickMs[i] || this.#seenTime[slot] !== timeMs[i])
    this.#seenBoot[slot] = boot[i] as number
    this.#seenSeq[slot] = seq[i] as number
    this.#seenTick[slot] = tickMs[i] as number
    this.#seenTime[slot] = timeMs[i] as number
    return other
  }

  #series ({ boot, publisher }: Columns, i: number): number {
    const slot = mix(boot[i] as number, publisher[i] as number) & (slots - 1)
    if (this.#boot[slot] === boot[i] && this.#publisher[slot] === publisher[i]) return slot
    this.#boot[slot] = boot[i] as number
    this.#publisher[slot] = publisher[i] as number
    this.#highest[slot] = -1
    this.#wallMs[slot] = NaN
    return slot
  }

  /** By how much the wall clock has moved against the tick since the message before; 0: within what it may be wrong, or not known. */
  #parted (slot: number, { placed, timeMs, tickMs, clockErrorMs }: Columns, i: number): number {
    if (placed[i] !== 1) return 0
    const wallMs = (timeMs[i] as number) - (tickMs[i] as number)
    const errorMs = clockErrorMs[i] as number
    const mayBeWrongMs = Number.isNaN(errorMs) ? 0 : errorMs
    const byMs = wallMs - (this.#wallMs[slot] as number)
    const allowedMs = this.#stepMs + mayBeWrongMs + (this.#errorMs[slot] as number)
    this.#wallMs[slot] = wallMs
    this.#errorMs[slot] = mayBeWrongMs
    return Math.abs(byMs) > allowedMs ? byMs : 0 // NaN is above nothing
  }
}

// keys of boots come one after the other: spread, so that neighbours do not share slots
function mix (boot: number, publisher: number): number {
  const mixed = Math.imul(boot | 0, 0x9E3779B1) ^ Math.imul(publisher, 0x85EBCA6B)
  return mixed ^ (mixed >>> 15)
}
