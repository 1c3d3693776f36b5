// The proof itself: what the simulator holds as acknowledged against what the database holds as stored. Pure. Takes the
// ledger's entries and the database's receipts, gives every way in which they can disagree, with examples to look at.

/** A message somebody vouches for: acknowledged (ledger) or stored (database). */
export interface Evidence {
  /** The source device's id. */
  readonly device: string
  readonly boot: bigint
  readonly seq: number
  readonly samples: number
  readonly waves: number
}

export interface StoredEvidence extends Evidence {
  /** Kept with its bytes and a reason instead of as rows; accounted for, so not missing. */
  readonly quarantined?: boolean
  /** Something was erased of the device, so a message of an erased time has fewer samples than were sent. */
  readonly erased?: boolean
}

export interface MessageIdentity { readonly device: string, readonly boot: bigint, readonly seq: number }

export interface Comparison {
  /** True when nothing is missing, double, different or unexpected. */
  readonly agrees: boolean
  readonly acknowledged: number
  /** Messages of the ledger's boots the database holds, each counted once, quarantined ones included. */
  readonly stored: number
  readonly quarantined: number
  /** Acknowledged, not in the database: data was lost. */
  readonly missing: number
  /** Further rows of a message already seen. */
  readonly duplicates: number
  /** Stored with another number of samples or waves than was sent. */
  readonly different: number
  /** Stored, not acknowledged yet, still held by the simulator: the acknowledgement was lost. Harmless, it is sent again. */
  readonly unacknowledged: number
  /** Stored under a boot of ours, and we neither hold it nor got it acknowledged. */
  readonly unexpected: number
  /** Sums over the stored messages that were not quarantined. */
  readonly samples: number
  readonly waves: number
  /** The first few of what is wrong, for a person to look up. */
  readonly examples: ReadonlyArray<MessageIdentity & { readonly wrong: 'missing' | 'duplicate' | 'different' | 'unexpected' }>
}

type Many<T> = Iterable<T> | AsyncIterable<T>
interface Expected { readonly samples: number, readonly waves: number, seen: boolean }
type Boot = Map<number, Expected>

// Enough to see a pattern, few enough to print.
const maxExamples = 20

/**
 * Compares. Stored messages of a boot that neither `ledger` nor `outstanding` knows (other runs, other simulators) are ignored.
 * `outstanding`: what the simulator still holds unacknowledged. Memory: about 60 bytes per acknowledged message.
 */
export async function compareLedger (ledger: Many<Evidence>, stored: Many<StoredEvidence>, outstanding: Iterable<MessageIdentity> = []): Promise<Comparison> {
  const boots = new Map<string, Boot>()
  const held = new Set<string>()
  const sums = { acknowledged: 0, stored: 0, quarantined: 0, missing: 0, duplicates: 0, different: 0, unacknowledged: 0, unexpected: 0, samples: 0, waves: 0 }
  const examples: Array<Comparison['examples'][number]> = []
  const blame = (wrong: Comparison['examples'][number]['wrong'], { device, boot, seq }: MessageIdentity) => {
    if (examples.length < maxExamples) examples.push({ wrong, device, boot, seq })
  }

  for await (const entry of ledger) {
    const boot = bootOf(boots, entry)
    if (!boot.has(entry.seq)) sums.acknowledged++
    boot.set(entry.seq, { samples: entry.samples, waves: entry.waves, seen: false })
  }
  for (const message of outstanding) {
    bootOf(boots, message)
    held.add(`${bootKey(message)}/${message.seq}`)
  }

  const heldSeen = new Set<string>()
  for await (const entry of stored) {
    const boot = boots.get(bootKey(entry))
    if (!boot) continue
    const expected = boot.get(entry.seq)
    const key = `${bootKey(entry)}/${entry.seq}`
    if (expected?.seen || heldSeen.has(key)) {
      sums.duplicates++
      blame('duplicate', entry)
      continue
    }
    sums.stored++
    if (entry.quarantined) sums.quarantined++
    else {
      sums.samples += entry.samples
      sums.waves += entry.waves
    }
    if (!expected) {
      heldSeen.add(key)
      if (held.has(key)) sums.unacknowledged++
      else {
        sums.unexpected++
        blame('unexpected', entry)
      }
      continue
    }
    expected.seen = true
    if (!entry.quarantined && !asSent(expected, entry)) {
      sums.different++
      blame('different', entry)
    }
  }

  for (const [key, boot] of boots) {
    for (const [seq, expected] of boot) {
      if (expected.seen) continue
      sums.missing++
      if (examples.length < maxExamples) blame('missing', identityOf(key, seq))
    }
  }
  const agrees = sums.missing + sums.duplicates + sums.different + sums.unexpected === 0
  return { agrees, ...sums, examples }
}

/** As many rows as were sent; or fewer, where some may have been erased. A wave that was cut is two, so waves alone say nothing then. */
function asSent (sent: Expected, { samples, waves, erased }: StoredEvidence): boolean {
  return erased ? samples <= sent.samples : samples === sent.samples && waves === sent.waves
}

function bootKey ({ device, boot }: { device: string, boot: bigint }): string {
  return `${device}/${boot}`
}

function identityOf (key: string, seq: number): MessageIdentity {
  const [device = '', boot = '0'] = key.split('/')
  return { device, boot: BigInt(boot), seq }
}

function bootOf (boots: Map<string, Boot>, about: { device: string, boot: bigint }): Boot {
  const key = bootKey(about)
  let boot = boots.get(key)
  if (!boot) boots.set(key, boot = new Map<number, Expected>())
  return boot
}
