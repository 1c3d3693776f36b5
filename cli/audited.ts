// Reads that must not happen unrecorded: what was read leaves this function only when the record of it is committed; a failure is
// recorded too.
import { type AuditEvent, type AuditLog } from '../runtime/audit.ts'
import { PulsegateError } from '../runtime/errors.ts'
import { sqlStateOf } from '../ingest/sqlstate.ts'

/** What `work` gives, after `event` (with what `about` adds) is in the chain. Errors: of `work`; AUDIT_UNAVAILABLE. */
export async function audited<T> (audit: AuditLog, event: AuditEvent, work: () => Promise<T>, about: (result: T) => NonNullable<AuditEvent['detail']> = () => ({})): Promise<T> {
  let result: T
  try {
    result = await work()
  } catch (error) {
    // what went wrong is told to the person in any case
    await audit.recordNow({ ...event, outcome: 'minor-failure', reason: reasonOf(error) }).catch(() => {})
    throw error
  }
  const detail = { ...event.detail, ...about(result) }
  await audit.recordNow(Object.keys(detail).length > 0 ? { ...event, detail } : event)
  return result
}

/** An error's code; never its message, which may hold a value. */
export function reasonOf (error: unknown): string {
  return error instanceof PulsegateError ? error.code : sqlStateOf(error) ?? (error instanceof Error ? error.name : 'unknown')
}
