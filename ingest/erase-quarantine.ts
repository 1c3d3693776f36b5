// The payloads in quarantine that an erasure is about (quarantine-erased.ts says which). What is erased keeps its row, without bytes: it came in, and does not count as missing.
import { PulsegateError } from '../runtime/errors.ts'
import { type Database } from './database.ts'
import { type Erasure, type ErasePart } from './erase-plan.ts'
import { isIn } from './period.ts'
import { clockAheadMs } from './place.ts'
import { isOfErased } from './quarantine-erased.ts'
import { type Opened, type SealedColumns } from './quarantine-open.ts'

/** The bytes that the device sent, or why they cannot be had (openRow). */
export type OpenPayload = (held: SealedColumns) => Promise<Opened>

interface Row extends SealedColumns { id: string, anchor: Date | null, received_at: Date, last_received_at: Date }

export interface EraseQuarantineOptions {
  readonly patiently: <T>(step: () => Promise<T>) => Promise<T>
  readonly open?: OpenPayload
  readonly signal?: AbortSignal
}

// 13 MiB of payloads at the most in memory: 64 KiB each is the largest
const rowsPerPage = 200

export interface ErasedQuarantine {
  /** Messages that lost their bytes. */
  readonly erased: number
  /** Those that may be meant, and are sealed with a key that another master key than those given opens. */
  readonly unopened: number
}

/** A page at a time; begun again, it skips what is done. */
export async function eraseQuarantine (database: Database, erasure: Erasure, options: EraseQuarantineOptions): Promise<ErasedQuarantine> {
  const devices = new Map<string, ErasePart[]>()
  for (const part of erasure.parts) devices.set(part.device, [...devices.get(part.device) ?? [], part])
  let [erased, unopened] = [0, 0]
  for (const [device, times] of devices) {
    const of = await eraseOf(database, device, times, options)
    erased += of.erased
    unopened += of.unopened
  }
  return { erased, unopened }
}

async function eraseOf (database: Database, device: string, parts: readonly ErasePart[], { patiently, open, signal }: EraseQuarantineOptions): Promise<ErasedQuarantine> {
  let [erased, unopened] = [0, 0]
  for (let after = 0; ;) {
    signal?.throwIfAborted()
    const page = await patiently(() => readPage(database, device, after))
    const last = page.at(-1)
    if (last === undefined) return { erased, unopened }
    const ids: number[] = []
    for (const row of page) {
      const meant = await isMeant(row, parts, open)
      if (meant === null) unopened++
      else if (meant) ids.push(Number(row.id))
    }
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

const unopenable: OpenPayload = async ({ key, payload }) => key === null ? { payload } : { fault: new PulsegateError('KEY_MASTER_UNKNOWN', 'no keys were given') }

/** Null: only with another master key could one say. */
async function isMeant (row: Row, parts: readonly ErasePart[], open: OpenPayload = unopenable): Promise<boolean | null> {
  // since ever, and received before its end: without a look into it
  if (parts.some(({ from, to }) => from === null && row.received_at.getTime() < to.getTime())) return true
  const periods = parts.map(({ from, to }) => ({ fromMs: from?.getTime() ?? -Infinity, toMs: to.getTime() }))
  const firstMs = Math.min(...periods.map(({ fromMs }) => fromMs))
  // a message about a time cannot have come long before it
  if (row.last_received_at.getTime() < firstMs - clockAheadMs) return false
  const receivedAtMs = row.received_at.getTime()
  const opened = await open(row)
  if ('payload' in opened) return isOfErased({ ...row, payload: opened.payload, receivedAtMs, anchorMs: row.anchor?.getTime() }, periods)
  // of a destroyed key no bytes are left; those that are damaged nobody reads where they are, and nobody can say that they are not meant
  return opened.fault.code === 'KEY_MASTER_UNKNOWN' ? null : opened.fault.code !== 'KEY_DESTROYED' || isIn(periods, receivedAtMs)
}
