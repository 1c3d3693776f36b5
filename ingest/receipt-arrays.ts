// The conflict path's statement: receipts as binary array parameters (a Buffer parameter travels in binary format), one
// array a column, so that the server inserts what is new and answers which those were. Costs the server three times what
// COPY does, which is why it is only used where a message may be stored already.
import { type BinaryBuffer, int2Oid, int4Oid, int8Oid, timestamptzOid } from './binary.ts'
import { type Columns } from './columns.ts'

/** Answers the boot key and seq of every receipt that was new, in the order given. */
export const insertReceipts = `INSERT INTO receipt
  (time, boot, seq, received_at, tick_ms, device, publisher, flags, clock_error_ms, placed, clock_source, rssi_dbm, samples, waves, unknown_keys)
  SELECT * FROM unnest($1::timestamptz[], $2::int8[], $3::int8[], $4::timestamptz[], $5::int8[], $6::int4[], $7::int4[], $8::int4[],
    $9::int4[], $10::int2[], $11::int2[], $12::int2[], $13::int2[], $14::int2[], $15::int2[])
  ON CONFLICT DO NOTHING RETURNING boot, seq`

type Column = Float64Array | Int32Array
type Kind = 'time' | 'int8' | 'int4' | 'int2'

const oids = { time: timestamptzOid, int8: int8Oid, int4: int4Oid, int2: int2Oid } as const

/** The fifteen parameters of `insertReceipts` for the messages of `order`; views into `out`, valid until it is cleared. */
export function receiptParameters (columns: Columns, order: Int32Array, out: BinaryBuffer): Buffer[] {
  const parameters: ReadonlyArray<readonly [Column, Kind]> = [
    [columns.timeMs, 'time'], [columns.boot, 'int8'], [columns.seq, 'int8'], [columns.receivedAtMs, 'time'],
    [columns.tickMs, 'int8'], [columns.device, 'int4'], [columns.publisher, 'int4'], [columns.flags, 'int4'],
    [columns.clockErrorMs, 'int4'], [columns.placed, 'int2'], [columns.clockSource, 'int2'], [columns.rssiDbm, 'int2'],
    [columns.sampleCount, 'int2'], [columns.waveCount, 'int2'], [columns.unknownKeys, 'int2']
  ]
  const ends = parameters.map(([column, kind]) => {
    writeArray(out, { column, kind, order })
    return out.length
  })
  // only now: the buffer may have moved while it grew
  return ends.map((end, n) => out.bytes.subarray(ends[n - 1] ?? 0, end))
}

function writeArray (out: BinaryBuffer, { column, kind, order }: { column: Column, kind: Kind, order: Int32Array }): void {
  out.room(20 + order.length * 12)
  out.arrayHeader(order.length, oids[kind], true)
  for (const i of order) {
    const value = column[i] as number
    if (Number.isNaN(value)) out.fieldNull()
    else if (kind === 'time') out.fieldTime(value)
    else if (kind === 'int8') out.fieldInt64(value)
    else if (kind === 'int4') out.fieldInt32(value)
    else out.fieldInt16(value)
  }
}
