// What is lost must at least be said: each message that a device holds as acknowledged and that the database has not, against
// the gaps that completeness() reports of that device and boot. Pure.
import { type BootCompleteness } from '../ingest/completeness.ts'
import { type MessageIdentity } from '../simulator/ledger-compare.ts'
import { type Ranges } from '../simulator/ranges.ts'

/** A boot as the ledger has it. */
export interface HeldBoot { readonly device: string, readonly boot: bigint, readonly acknowledged: Ranges }

export interface Losses {
  /** Acknowledged, neither stored nor in quarantine. */
  readonly lost: number
  /** Of these, inside a gap that completeness() reports. */
  readonly reported: number
  /** The first few that no gap covers. */
  readonly unreported: readonly MessageIdentity[]
}

const maxExamples = 20

/** `stored` and `completeness`: by `bootKey` and by device. */
export function lossesOf (
  held: Iterable<HeldBoot>, stored: ReadonlyMap<string, Ranges>, completeness: ReadonlyMap<string, readonly BootCompleteness[]>
): Losses {
  let lost = 0
  let reported = 0
  const unreported: MessageIdentity[] = []
  for (const { device, boot, acknowledged } of held) {
    const there = stored.get(bootKey(device, boot))
    const gaps = completeness.get(device)?.find((of) => of.boot === boot)?.missing ?? []
    for (const [from, to] of acknowledged.toArray()) {
      for (let seq = from; seq <= to; seq++) {
        if (there?.has(seq) === true) continue
        lost++
        if (gaps.some(({ first, last }) => first <= seq && seq <= last)) reported++
        else if (unreported.length < maxExamples) unreported.push({ device, boot, seq })
      }
    }
  }
  return { lost, reported, unreported }
}

export function bootKey (device: string, boot: bigint): string { return `${device}/${boot}` }
