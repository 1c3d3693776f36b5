// An export from beginning to end: who and when is known, the event is in the audit trail, then the readings go, sealed, into a file.
// Promises: no reading is read before the trail has the event; memory is bounded by a page; a file that is cut off has no name; the table
// export says whose data went out, also of an export that failed.
import { randomUUID } from 'node:crypto'
import { type AuditAgent, type AuditEvent, type AuditLog } from '../../runtime/audit.ts'
import { errorCodeOf } from '../../runtime/error-code.ts'
import { type Database } from '../database.ts'
import { type DataKeys } from '../keys/data-keys.ts'
import { type ExportFormat, headOf, textOf } from './formats.ts'
import { type Interval, type Piece, piecesOf, readPieces, type Whom } from './readings.ts'
import { ExportSealer } from './sealed-file.ts'
import { WholeFile } from './whole-file.ts'

export interface ExportOptions {
  readonly whom: Whom
  readonly interval: Interval
  readonly format: ExportFormat
  readonly path: string
  /** Null: written in the clear, on explicit demand. */
  readonly keys: DataKeys | null
  readonly agent: AuditAgent
  readonly purpose?: string
  /** Stops it between pages; nothing is left. */
  readonly signal: AbortSignal
  /** Told of each page. */
  readonly onPage?: (readings: number) => void
}

export interface ExportResult { readonly id: string, readonly readings: number, readonly bytes: number, readonly sealed: boolean }

/** Errors: AUDIT_UNAVAILABLE (nothing was read), DEVICE_UNKNOWN, EXPORT_SUBJECT_UNKNOWN, EXPORT_EXISTS, EXPORT_FAILED, those of the keys and the database. */
export async function exportReadings (database: Database, audit: AuditLog, options: ExportOptions): Promise<ExportResult> {
  const id = randomUUID()
  const event = eventOf(id, options)
  try {
    const pieces = await piecesOf(database, options.whom, options.interval)
    const file = await WholeFile.create(options.path)
    try {
      await audit.recordNow({ ...event, outcome: 'success' })
      return await write(database, { id, pieces, file }, options)
    } finally {
      await file.close()
    }
  } catch (error) {
    audit.record({ ...event, outcome: 'serious-failure', reason: options.signal.aborted ? 'stopped' : errorCodeOf(error) })
    throw error
  }
}

async function write (database: Database, { id, pieces, file }: { id: string, pieces: readonly Piece[], file: WholeFile }, options: ExportOptions): Promise<ExportResult> {
  const { keys, format, signal, onPage } = options
  const key = await keys?.forExport() ?? null
  await noteExport(database, id, key?.id ?? null, pieces, options)
  const sealer = key === null ? null : new ExportSealer(key, { export: id, key: key.id, format })
  const put = async (text: string): Promise<void> => {
    if (sealer === null) await file.write(Buffer.from(text))
    else for (const chunk of sealer.add(text)) await file.write(chunk)
  }
  if (sealer !== null) await file.write(sealer.head)
  await put(headOf(format))
  const readings = await readPieces(database, pieces, async (page) => {
    await put(page.map((reading) => textOf(reading, format)).join(''))
    onPage?.(page.length)
  }, signal)
  if (sealer !== null) await file.write(sealer.end())
  await database.query('UPDATE export SET rows = $2 WHERE id = $1', [id, readings])
  await file.finish()
  return { id, readings, bytes: file.bytes, sealed: key !== null }
}

async function noteExport (database: Database, id: string, key: number | null, pieces: readonly Piece[], { whom, interval, agent }: ExportOptions): Promise<void> {
  await database.query(`INSERT INTO export (id, key, made_by, devices, subjects, from_time, to_time)
    VALUES ($1, $2, $3, $4::uuid[], $5::text[], to_timestamp($6::float8 / 1000), to_timestamp($7::float8 / 1000))`,
  [id, key, agent.id, [...new Set(pieces.map(({ device }) => device))], 'subject' in whom ? [whom.subject] : await subjectsOf(database, pieces), interval.fromMs, interval.toMs])
}

/** Whose readings of these devices are, as far as they were assigned: so that an erasure of a subject finds the export. */
async function subjectsOf (database: Database, pieces: readonly Piece[]): Promise<string[]> {
  const { rows } = await database.query<{ subject: string }>(`SELECT DISTINCT a.subject FROM assignment a
    JOIN unnest($1::int4[], $2::float8[], $3::float8[]) AS p (device, from_ms, to_ms) ON p.device = a.device
      AND a.period && tstzrange(to_timestamp(p.from_ms / 1000), to_timestamp(p.to_ms / 1000))`,
  [pieces.map(({ key }) => key), pieces.map(({ fromMs }) => fromMs), pieces.map(({ toMs }) => toMs)])
  return rows.map(({ subject }) => subject)
}

function eventOf (id: string, { whom, interval, format, keys, agent, purpose }: ExportOptions): Omit<AuditEvent & { type: 'data' }, 'outcome'> {
  return {
    type: 'data',
    subtype: 'exported',
    action: 'R',
    agent,
    entity: 'device' in whom ? { type: 'device', id: whom.device } : { type: 'subject', id: whom.subject },
    detail: { export: id, format, sealed: keys !== null, from: new Date(interval.fromMs).toISOString(), to: new Date(interval.toMs).toISOString() },
    ...(purpose !== undefined && { purpose })
  }
}
