// Writing to quarantine, inside the batch's transaction. The same bad message again and again stays one row whose
// `times` counts; repeats inside a batch are folded before, because one statement may not touch a row twice (21000).
import { type ClientBase } from 'pg'
import { PulsegateError } from '../runtime/errors.ts'
import { holdErasures } from './quarantine-erased.ts'
import { type SealedRow } from './quarantine-prepare.ts'

// a row from before sealing (key null) goes on counting its repeats, found by its plain digest
const insertQuarantine = `WITH q AS (
  SELECT n, to_timestamp(first_ms / 1000.0) AS first, to_timestamp(last_ms / 1000.0) AS last, publisher, source, boot, seq, kind, reason, detail,
    payload, digest, times, plain_digest, key, bytes
  FROM unnest($1::float8[], $2::float8[], $3::uuid[], $4::uuid[], $5::numeric[], $6::int8[], $7::text[], $8::text[], $9::text[],
    $10::bytea[], $11::bytea[], $12::int4[], $13::bytea[], $14::int8[], $15::int4[]) WITH ORDINALITY
    AS q (first_ms, last_ms, publisher, source, boot, seq, kind, reason, detail, payload, digest, times, plain_digest, key, bytes, n)
), counted AS (
  UPDATE quarantine AS old SET times = old.times + q.times, last_received_at = greatest(old.last_received_at, q.last)
  FROM q WHERE old.publisher = q.publisher AND old.kind = q.kind AND old.digest = q.plain_digest AND old.reason = q.reason AND old.key IS NULL
  RETURNING q.n
)
INSERT INTO quarantine (received_at, last_received_at, publisher, source, boot, seq, kind, reason, detail, payload, digest, times, key, bytes)
SELECT first, last, publisher, source, boot, seq, kind, reason, detail, payload, digest, times, key, bytes
FROM q WHERE n NOT IN (SELECT n FROM counted) ORDER BY n
ON CONFLICT (publisher, kind, digest, reason) DO UPDATE
SET times = quarantine.times + excluded.times, last_received_at = greatest(quarantine.last_received_at, excluded.last_received_at)`

/**
 * Writes `rows`; the caller's transaction makes them durable. Error KEY_DESTROYED: a key was destroyed since they were sealed; nothing
 * is written, and sealing them anew takes another key. ERASURE_BEGUN: see holdErasures.
 */
export async function writeQuarantine (client: ClientBase, rows: readonly SealedRow[]): Promise<void> {
  if (rows.length === 0) return
  await holdErasures(client, rows)
  await holdKeys(client, rows)
  await client.query(insertQuarantine, [
    rows.map(({ firstMs }) => firstMs),
    rows.map(({ lastMs }) => lastMs),
    rows.map(({ row }) => row.publisher),
    rows.map(({ row }) => row.source),
    rows.map(({ row }) => row.boot?.toString() ?? null),
    rows.map(({ row }) => row.seq),
    rows.map(({ row }) => row.kind),
    rows.map(({ row }) => row.reason),
    rows.map(({ row }) => row.detail),
    rows.map(({ payload }) => payload),
    rows.map(({ digest }) => digest),
    rows.map(({ times }) => times),
    rows.map(({ plainDigest }) => plainDigest),
    rows.map(({ key }) => key),
    rows.map(({ row }) => row.payload.length)
  ])
}

/** Until the transaction ends nobody destroys these keys: a message sealed with a key that is gone would be acknowledged and unreadable. */
export async function holdKeys (client: ClientBase, rows: ReadonlyArray<{ readonly key: number }>): Promise<void> {
  const wanted = [...new Set(rows.map(({ key }) => key))]
  const { rowCount } = await client.query('SELECT FROM data_key WHERE id = ANY($1::int8[]) AND destroyed_at IS NULL ORDER BY id FOR SHARE', [wanted])
  if (rowCount !== wanted.length) throw new PulsegateError('KEY_DESTROYED', 'a data key was destroyed while it was used; another is made')
}
