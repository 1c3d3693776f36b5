// Before the database is asked: which messages of a batch are known to be stored (the recent window), which repeat one of the
// same batch, and which carry the identity of another at a different time. The latter break the contract (a device used
// a seq twice); both are stored, but not in one statement, since the answer to "which were new" could not tell them apart.
import { outcome, type PreparedBatch, type Progress } from './batch.ts'
import { type Mask } from './encode-rows.ts'
import { type RecentReceipts } from './recent.ts'

/** Masks to write one after the other, usually one. Marks repeats in `progress`; messages no longer pending are left out. */
export function sift ({ columns }: PreparedBatch, progress: Progress, recent: RecentReceipts): Mask[] {
  const first: Mask = new Uint8Array(columns.messages)
  let later: Mask | null = null
  const seen = new Map<number | string, number>()
  for (let i = 0; i < columns.messages; i++) {
    if (progress.outcomes[i] !== outcome.pending) continue
    const boot = columns.boot[i] as number
    const seq = columns.seq[i] as number
    const timeMs = columns.timeMs[i] as number
    if (recent.has(boot, seq, timeMs)) {
      progress.outcomes[i] = outcome.duplicate
      continue
    }
    const key = identityKey(boot, seq)
    const before = seen.get(key)
    if (before === undefined) {
      seen.set(key, timeMs)
      first[i] = 1
    } else if (before === timeMs) {
      progress.outcomes[i] = outcome.duplicate
    } else {
      later ??= new Uint8Array(columns.messages)
      later[i] = 1
    }
  }
  return later === null ? [first] : [first, ...oneByOne(later)]
}

// below 2^21 boots a number is exact and quicker than a text
function identityKey (boot: number, seq: number): number | string {
  return boot < 2 ** 21 ? boot * 2 ** 32 + seq : `${boot}:${seq}`
}

function oneByOne (mask: Mask): Mask[] {
  const masks: Mask[] = []
  for (let i = 0; i < mask.length; i++) {
    if (mask[i] !== 1) continue
    const one = new Uint8Array(mask.length)
    one[i] = 1
    masks.push(one)
  }
  return masks
}
