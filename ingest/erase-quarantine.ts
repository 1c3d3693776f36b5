// The payloads in quarantine that an erasure is about (quarantine-erased.ts says which). What is erased keeps its row, without bytes: it came in, and does not count as missing.
import { type Database } from './database.ts'
import { type Erasure, type ErasePart } from './erase-plan.ts'
import { isIn } from './period.ts'
import { clockAheadMs } from './place.ts'
import { isOfErased } from './quarantine-erased.ts'
import { type SealedColumns } from './quarantine-open.ts'

/** The bytes that the device sent; null when they cannot be had (sealed, and its key is not here). */
export type OpenPayload = (held: SealedColumns) => Promise<Buffer | null>

interface Row extends SealedColumns { id: string, anchor: Date | null, received_at: Date, last_received_at: Date }

export interface EraseQuarantineOptions {
  readonly patiently: <T>(step: () => Promise<T>) => Promise<T>
  readonly open?: OpenPayload
  readonly signal?: AbortSignal
}

// half a MiB of payloads at the most in memory: 64 KiB each is the largest
const rowsPerPage = 200

/** Gives how many messages lost their bytes. A page at a time; begun again, it skips what is done. */
export async function eraseQuarantine (database: Database, erasure: Erasure, options: EraseQuarantineOptions): Promise<number> {
  let erased = 0
  const devices = new Map<string, ErasePart[]>()
  for (const part of erasure.parts) devices.set(part.device, [...devices.get(part.device) ?? [], part])
  for (const [device, times] of devices) erased += await eraseOf(database, device, times, options)
  return erased
}

async function eraseOf (database: Database, device: string, parts: readonly ErasePart[], { patiently, open, signal }: EraseQuarantineOptions): Promise<number> {
  let erased = 0
  for (let after = 0; ;) {
    signal?.throwIfAborted()
    const page = await patiently(() => readPage(database, device, after))
    const last = page.at(-1)
    if (last === undefined) return erased
    const ids: number[] = []
    for (const row of page) if (await isMeant(row, parts, open)) ids.push(Number(row.id))
    if (ids.length > 0) {
      const { rows: [done] } = await patiently(() => database.query<{ n: string }>('SELECT erase_quarantine($1) AS n', [ids]))
      erased += Number(done?.n)
    }
    after = Number(last.id)
  }
}

async function readPage (database: Database, device: string, after: number): Promise<Row[]> {
  const { rows } = await database.query<Row>(`
    SELECT q.id, q.publisher, q.source, q.boot, q.seq, q.kind, q.reason, q.payload, q.digest, q.key, q.received_at, q.last_received_at, b.anchor
    FROM quarantine q LEFT JOIN device d ON d.id = coalesce(q.source, q.publisher) LEFT JOIN device_boot b ON b.device = d.key AND b.boot = q.boot
    WHERE coalesce(q.source, q.publisher) = $1 AND q.id > $2 AND q.reason <> 'erased' ORDER BY q.id LIMIT ${rowsPerPage}`, [device, after])
  return rows
}

async function isMeant (row: Row, parts: readonly ErasePart[], open: OpenPayload = async ({ payload }) => payload): Promise<boolean> {
  // since ever, and received before its end: without a look into it
  if (parts.some(({ from, to }) => from === null && row.received_at.getTime() < to.getTime())) return true
  const periods = parts.map(({ from, to }) => ({ fromMs: from?.getTime() ?? -Infinity, toMs: to.getTime() }))
  const firstMs = Math.min(...periods.map(({ fromMs }) => fromMs))
  // a message about a time cannot have come long before it
  if (row.last_received_at.getTime() < firstMs - clockAheadMs) return false
  const receivedAtMs = row.received_at.getTime()
  const payload = await open(row)
  return payload === null ? isIn(periods, receivedAtMs) : isOfErased({ ...row, payload, receivedAtMs, anchorMs: row.anchor?.getTime() }, periods)
}
