// Reading a sealed export: the event is in the audit trail before the first byte goes out. Takes a file, gives the text piece by piece;
// what is given was sealed so; at the first fault it ends with EXPORT_DAMAGED.
import { randomUUID } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { type AuditAgent, type AuditEvent, type AuditLog } from '../../runtime/audit.ts'
import { errorCodeOf } from '../../runtime/error-code.ts'
import { PulsegateError } from '../../runtime/errors.ts'
import { type DataKeys } from '../keys/data-keys.ts'
import { ExportOpener, readHead } from './sealed-file.ts'

export interface OpenExportOptions { readonly path: string, readonly keys: DataKeys, readonly agent: AuditAgent, readonly purpose?: string, readonly signal: AbortSignal }

/** Errors: EXPORT_UNREADABLE, EXPORT_DAMAGED, KEY_DESTROYED, KEY_UNAVAILABLE, KEY_MASTER_UNKNOWN, AUDIT_UNAVAILABLE. */
export async function * openExport (audit: AuditLog, { path, keys, agent, purpose, signal }: OpenExportOptions): AsyncGenerator<Buffer> {
  // tells which failure is the end of which beginning
  const requestId = randomUUID()
  let event: Omit<AuditEvent & { type: 'data' }, 'outcome'> = { type: 'data', subtype: 'opened', action: 'R', agent, requestId, entity: { type: 'export', id: 'unknown' }, ...(purpose !== undefined && { purpose }) }
  let opener: ExportOpener | null = null
  let start: Buffer = Buffer.alloc(0)
  try {
    for await (const piece of createReadStream(path, { signal }) as AsyncIterable<Buffer>) {
      if (opener !== null) {
        yield * opener.add(piece)
        continue
      }
      start = Buffer.concat([start, piece])
      const found = readHead(start)
      if (found === null) continue
      event = { ...event, entity: { type: 'export', id: found.head.export } }
      opener = new ExportOpener(await keys.toOpen(found.head.key), start.subarray(0, found.length))
      await audit.recordNow({ ...event, outcome: 'success' })
      yield * opener.add(start.subarray(found.length))
    }
    if (opener === null) throw new PulsegateError('EXPORT_DAMAGED', 'the export is damaged: its first lines are cut short')
    opener.end()
  } catch (error) {
    audit.record({ ...event, outcome: 'serious-failure', reason: signal.aborted ? 'stopped' : errorCodeOf(error) })
    if (error instanceof PulsegateError || signal.aborted) throw error
    const code = errorCodeOf(error)
    throw /^E[A-Z]+$/.test(code) ? new PulsegateError('EXPORT_UNREADABLE', `${path} cannot be read (${code})`, { cause: error }) : error
  }
}
