// What the comparison of ledger and database says, for a person and for a program. Pure.
import { agrees, type Evidence } from '../proof/evidence.ts'
import { count, millis } from './view/format.ts'

/** The one JSON line of `pulsegate up --json`. */
export interface Result {
  readonly acknowledged: number
  readonly stored: number
  /** Acknowledged, but neither stored nor in quarantine; and rows that receipts claim and the tables lack. */
  readonly missing: number
  /** Receipts beyond one a message, and rows beyond what the receipts say. */
  readonly duplicates: number
  readonly quarantined: number
  /** Rows that an erasure took away. */
  readonly erased: number
  /** Rows of the compared messages. */
  readonly samples: number
  readonly waves: number
  readonly p50Ms: number | null
  readonly p99Ms: number | null
  readonly database: string
}

export interface VerdictInput extends Pick<Evidence, 'comparison' | 'balance'> {
  readonly latency: { readonly p50Ms: number | null, readonly p99Ms: number | null }
  readonly database: string
}

export function resultOf ({ comparison, balance, latency, database }: VerdictInput): Result {
  const { acknowledged, stored, missing, duplicates, quarantined, samples, waves } = comparison
  return {
    acknowledged,
    stored,
    missing: missing + balance.rowsMissing,
    duplicates: duplicates + balance.rowsBeyond,
    quarantined,
    erased: balance.rowsErased,
    samples,
    waves,
    p50Ms: latency.p50Ms,
    p99Ms: latency.p99Ms,
    database
  }
}

/** The verdict as lines for a person. */
export function verdictLines (input: VerdictInput): string[] {
  const { comparison, balance } = input
  const result = resultOf(input)
  const lines = [
    agrees(input)
      ? `Ledger and database agree: ${count(result.acknowledged)} messages acknowledged, every one stored exactly once.`
      : 'Ledger and database DISAGREE.',
    `  acknowledged ${count(result.acknowledged)}   stored ${count(result.stored)}   missing ${result.missing}   duplicates ${result.duplicates}   quarantined ${count(result.quarantined)}`,
    `  rows: ${count(result.samples)} samples, ${count(result.waves)} waves   publish→PUBACK p50 ${millis(result.p50Ms ?? NaN)} ms, p99 ${millis(result.p99Ms ?? NaN)} ms`
  ]
  if (comparison.unacknowledged > 0) lines.push(`  stored, but the PUBACK did not get through yet: ${comparison.unacknowledged} (sent again at the next start, stored once)`)
  if (comparison.unexpected > 0) lines.push(`  stored, but never sent: ${comparison.unexpected}`)
  if (comparison.different > 0) lines.push(`  stored with another number of rows: ${comparison.different}`)
  if (balance.rowsMissing > 0) lines.push(`  rows that receipts claim and the tables lack: ${balance.rowsMissing}`)
  if (balance.rowsErased > 0) lines.push(`  rows that were stored and erased since: ${count(balance.rowsErased)}`)
  if (balance.rowsBeyond > 0) lines.push(`  rows in the tables that no receipt claims: ${balance.rowsBeyond}`)
  for (const { wrong, device, boot, seq } of comparison.examples.slice(0, 5)) lines.push(`    ${wrong}: device ${device} boot ${boot} seq ${seq}`)
  return lines
}
