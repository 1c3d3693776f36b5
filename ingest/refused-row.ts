// A message that the database refused as data, as a row for quarantine. Takes the batch, its place in it and the error; says the SQLSTATE and
// the names of column and constraint, never the server's own message.
import { type PreparedBatch, type QuarantineRow } from './batch.ts'
import { sqlStateOf } from './sqlstate.ts'

export function refusedRow ({ origins }: PreparedBatch, message: number, error: unknown): QuarantineRow {
  const origin = origins[message]
  if (origin === undefined) throw error
  const { envelope, source, boot, seq } = origin
  const { constraint, column } = error as { constraint?: string, column?: string }
  // the server's own message may carry a value of the row; its code and names do not
  const where = [column, constraint].filter((name) => name !== undefined).join(' ')
  return {
    publisher: envelope.publisher,
    source,
    boot,
    seq,
    kind: envelope.kind,
    reason: 'data-error',
    detail: `SQLSTATE ${sqlStateOf(error) ?? 'unknown'} ${where}`.trim(),
    payload: envelope.payload,
    receivedAtMs: envelope.receivedAtMs
  }
}
