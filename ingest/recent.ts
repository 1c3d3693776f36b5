// Which receipts were stored a moment ago: a table of fixed size in which a newer receipt takes the place of an older
// one that falls on the same slot. Live resends found here need not ask the database, and one duplicate does not push a
// whole batch off the fast path. A miss costs time, never correctness: the unique index decides.

// 2^17 receipts of 24 bytes, 3 MiB: ten seconds at the speed one database takes
const slots = 2 ** 17

export class RecentReceipts {
  readonly #boot = new Float64Array(slots)
  readonly #seq = new Float64Array(slots)
  readonly #timeMs = new Float64Array(slots).fill(NaN)

  has (boot: number, seq: number, timeMs: number): boolean {
    const slot = slotOf(boot, seq)
    return this.#timeMs[slot] === timeMs && this.#seq[slot] === seq && this.#boot[slot] === boot
  }

  add (boot: number, seq: number, timeMs: number): void {
    const slot = slotOf(boot, seq)
    this.#boot[slot] = boot
    this.#seq[slot] = seq
    this.#timeMs[slot] = timeMs
  }
}

// consecutive seqs of a boot fall on consecutive slots, so one boot never pushes out its own recent past
function slotOf (boot: number, seq: number): number {
  return (Math.imul(boot | 0, 0x9E3779B1) + seq) & (slots - 1)
}
