// What became of a device's messages, from the database's own account (the SQL function completeness): received, missing
// and quarantined per boot. Takes a device and an interval, gives rows for a person or a program.
import { type Database } from './database.ts'

/** Both ends belong to it. */
export interface SeqRange {
  readonly first: number
  readonly last: number
}

export interface BootCompleteness {
  /** The device's boot id; null: messages in quarantine whose header could not be read. */
  readonly boot: bigint | null
  /** Null when nothing of the boot says a seq. */
  readonly firstSeq: number | null
  readonly lastSeq: number | null
  /** Messages stored whose time lies in the interval. */
  readonly received: number
  readonly missingCount: number
  /** Seqs that are neither stored nor in quarantine, ascending; those whose next message lies in the interval. */
  readonly missing: readonly SeqRange[]
  readonly quarantined: number
}

interface Row {
  boot: string | null
  first_seq: string | null
  last_seq: string | null
  received: string
  missing_count: string
  missing: string
  quarantined: string
}

/** By boot, in the order in which the boots began; empty for a device that is not known. `from` ≤ message time < `to`. */
export async function completeness (
  database: Database, device: string, interval: { fromMs?: number, toMs?: number } = {}
): Promise<BootCompleteness[]> {
  const { fromMs, toMs } = interval
  const { rows } = await database.query<Row>(
    "SELECT * FROM completeness($1, coalesce($2, '-infinity'::timestamptz), coalesce($3, 'infinity'::timestamptz))",
    [device, isoOrNull(fromMs), isoOrNull(toMs)])
  return rows.map((row) => ({
    boot: row.boot === null ? null : BigInt(row.boot),
    firstSeq: numberOrNull(row.first_seq),
    lastSeq: numberOrNull(row.last_seq),
    received: Number(row.received),
    missingCount: Number(row.missing_count),
    missing: parseRanges(row.missing),
    quarantined: Number(row.quarantined)
  }))
}

/** PostgreSQL's text of an int8multirange, `{[3,5),[9,10)}`, as ranges with both ends. */
export function parseRanges (text: string): SeqRange[] {
  return [...text.matchAll(/\[(\d+),(\d+)\)/g)].map((match) => ({ first: Number(match[1]), last: Number(match[2]) - 1 }))
}

function numberOrNull (text: string | null): number | null {
  return text === null ? null : Number(text)
}

function isoOrNull (ms: number | undefined): string | null {
  return ms === undefined ? null : new Date(ms).toISOString()
}
