// What goes back to a caller: status and JSON. An error of ours is said with its code and remedy; any other is not said at all.
import { PulsegateError } from '../runtime/errors.ts'
import { safeText } from '../runtime/log-safety.ts'
import { BadRequest } from './routes.ts'

export interface Answer {
  readonly status: number
  /** Why not, for the audit trail; '' when it was done. */
  readonly code: string
  readonly body: unknown
  readonly headers?: Readonly<Record<string, string>>
}

const statusOf: Readonly<Partial<Record<string, number>>> = {
  DEVICE_UNKNOWN: 404,
  DEVICE_AWAY: 409,
  COMMAND_BACKLOG: 409,
  AUDIT_UNAVAILABLE: 503,
  DATABASE_UNREACHABLE: 503
}

export const answerTo = {
  done: (body: unknown): Answer => ({ status: 200, code: '', body: body ?? {} }),
  refused: (status: number, code: string, message: string, headers: Record<string, string> = {}): Answer =>
    ({ status, code, body: { error: { code, message } }, headers }),
  certificate: { status: 403, code: 'CERTIFICATE', body: { error: { code: 'CERTIFICATE', message: 'This certificate names no operator, has ended, or was taken back.' } } } satisfies Answer,
  failed (error: unknown): Answer {
    if (error instanceof BadRequest) return { status: error.status, code: 'REQUEST', body: { error: { code: 'REQUEST', message: error.message } } }
    if (!(error instanceof PulsegateError)) return { status: 500, code: 'INTERNAL', body: { error: { code: 'INTERNAL', message: 'It failed; the log of the process says why.' } } }
    const { code, message, entry } = error
    // an error that will go away is not the caller's fault; any other of ours is about what was asked for
    return { status: statusOf[code] ?? (entry.retryable ? 503 : 409), code, body: { error: { code, message: safeText(message), remedy: entry.remedy } } }
  }
}
