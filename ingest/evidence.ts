// What the database holds, as evidence for a comparison with somebody's ledger: each message by identity, and the rows that
// are really there against what the receipts claim. Runs as the owner (the ingest role cannot read history). Reads in
// pages along the receipts' index, so neither a million messages nor a running load hurts.
import { type Database } from './database.ts'

export interface StoredMessage {
  /** The source device's id. */
  readonly device: string
  readonly boot: bigint
  readonly seq: number
  readonly samples: number
  readonly waves: number
  /** Kept in quarantine with its bytes and a reason, instead of as rows. */
  readonly quarantined: boolean
  /** Something was erased of the device: what comes late for an erased time is stored with fewer rows than were sent. */
  readonly erased: boolean
}

export interface StoredCounts {
  readonly device: string
  readonly messages: number
  /** What the receipts claim. */
  readonly claimedSamples: number
  readonly claimedWaves: number
  /** What is there. */
  readonly samples: number
  readonly waves: number
  /** What erasures took away. */
  readonly erasedSamples: number
  readonly erasedWaves: number
  /** Receipts beyond the first of the same (boot, seq). */
  readonly duplicates: number
}

interface ReceiptRow { boot_key: string, boot: string, seq: string, time: string, samples: number, waves: number, erased: boolean }

const pageRows = 20_000

/** Every message of `devices` received at `sinceMs` or later: stored ones, then those in quarantine whose header could be read. */
export async function * storedMessages (database: Database, devices: Iterable<string>, sinceMs = 0): AsyncGenerator<StoredMessage> {
  for (const device of devices) {
    yield * receiptsOf(database, device, sinceMs)
    yield * quarantinedOf(database, device, sinceMs)
  }
}

async function * receiptsOf (database: Database, device: string, sinceMs: number): AsyncGenerator<StoredMessage> {
  // in the order of the index (device, boot, seq, time); each page begins behind the last
  let after: [string, string, string] = ['-1', '-1', '-infinity']
  for (;;) {
    const { rows } = await database.query<ReceiptRow>(`
      SELECT r.boot AS boot_key, b.boot, r.seq, r.time::text AS time, r.samples, r.waves, d.erased IS NOT NULL AS erased
      FROM device d JOIN receipt r ON r.device = d.key JOIN device_boot b ON b.key = r.boot
      WHERE d.id = $1 AND (r.boot, r.seq, r.time) > ($2::int8, $3::int8, $4::timestamptz) AND r.received_at >= to_timestamp($5::float8 / 1000)
      ORDER BY r.boot, r.seq, r.time LIMIT ${pageRows}`, [device, ...after, sinceMs])
    for (const { boot, seq, samples, waves, erased } of rows) {
      yield { device, boot: BigInt(boot), seq: Number(seq), samples, waves, quarantined: false, erased }
    }
    const last = rows.at(-1)
    if (last === undefined || rows.length < pageRows) return
    after = [last.boot_key, last.seq, last.time]
  }
}

async function * quarantinedOf (database: Database, device: string, sinceMs: number): AsyncGenerator<StoredMessage> {
  const { rows } = await database.query<{ boot: string, seq: string }>(`
    SELECT DISTINCT boot, seq FROM quarantine
    WHERE coalesce(source, publisher) = $1 AND boot IS NOT NULL AND seq IS NOT NULL AND replayed_at IS NULL
      AND last_received_at >= to_timestamp($2::float8 / 1000) ORDER BY boot, seq`, [device, sinceMs])
  for (const { boot, seq } of rows) yield { device, boot: BigInt(boot), seq: Number(seq), samples: 0, waves: 0, quarantined: true, erased: false }
}

/** Per device, over all time: rows against claims. Counts every row of these devices, so it takes a while on a large database. */
export async function storedCounts (database: Database, devices: Iterable<string>): Promise<StoredCounts[]> {
  const counts: StoredCounts[] = []
  // one statement a device keeps each within the statement's deadline
  for (const device of devices) {
    const { rows: [row] } = await database.query<Record<'messages' | 'claimed_samples' | 'claimed_waves' | 'samples' | 'waves' | 'erased_samples' | 'erased_waves' | 'identities', string>>(`
      SELECT r.messages, r.claimed_samples, r.claimed_waves, r.identities, coalesce(e.samples, 0) AS erased_samples, coalesce(e.waves, 0) AS erased_waves,
        (SELECT count(*) FROM sample WHERE device = d.key) AS samples, (SELECT count(*) FROM wave WHERE device = d.key) AS waves
      FROM device d LEFT JOIN erased_rows e ON e.device = d.key CROSS JOIN LATERAL (
        SELECT count(*) AS messages, coalesce(sum(samples), 0) AS claimed_samples, coalesce(sum(waves), 0) AS claimed_waves,
          count(DISTINCT (boot, seq)) AS identities
        FROM receipt WHERE device = d.key
      ) AS r WHERE d.id = $1`, [device])
    if (row === undefined) continue
    counts.push({
      device,
      messages: Number(row.messages),
      claimedSamples: Number(row.claimed_samples),
      claimedWaves: Number(row.claimed_waves),
      samples: Number(row.samples),
      waves: Number(row.waves),
      erasedSamples: Number(row.erased_samples),
      erasedWaves: Number(row.erased_waves),
      duplicates: Number(row.messages) - Number(row.identities)
    })
  }
  return counts
}

/** Rows in the tables against what the receipts claim. The first two are 0 when every receipt's rows are there once, or were erased. */
export interface RowBalance {
  /** Claimed, not erased, and not there. */
  readonly rowsMissing: number
  /** There, and claimed by no receipt. */
  readonly rowsBeyond: number
  /** Claimed, and taken away by an erasure. */
  readonly rowsErased: number
}

/** Taken for each device and table by itself, so that a row too many in one never hides a row too few in another. Pure. */
export function balanceOf (counts: Iterable<StoredCounts>): RowBalance {
  const balance = { rowsMissing: 0, rowsBeyond: 0, rowsErased: 0 }
  for (const { samples, claimedSamples, erasedSamples, waves, claimedWaves, erasedWaves } of counts) {
    for (const [there, claimed, erased] of [[samples, claimedSamples, erasedSamples], [waves, claimedWaves, erasedWaves]] as const) {
      // a wave that lost values in its middle is two: then more were put back than were taken away
      const surplus = there + Math.min(0, erased) - claimed
      // receipts of what was erased end with retention, the count of what was erased does not
      const explained = Math.max(0, Math.min(erased, -surplus))
      balance.rowsErased += explained
      balance.rowsMissing += Math.max(0, -surplus - explained)
      balance.rowsBeyond += Math.max(0, surplus)
    }
  }
  return balance
}
