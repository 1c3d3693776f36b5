// What goes back to a caller: status and JSON. An error of ours is said with its code and remedy; any other is not said at all.
import { PulsegateError } from '../runtime/errors.ts'
import { safeText } from '../runtime/log-safety.ts'
import { type OwnCode, remedyOf } from './remedies.ts'
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
  refused: (status: number, code: OwnCode, message: string, headers: Record<string, string> = {}): Answer =>
    ({ status, code, body: { error: { code, message, remedy: remedyOf[code] } }, headers }),
  certificate: (): Answer => answerTo.refused(403, 'CERTIFICATE', 'This certificate names no operator, has ended, or was taken back.'),
  failed (error: unknown): Answer {
    if (error instanceof BadRequest) return answerTo.refused(error.status, 'REQUEST', error.message)
    if (!(error instanceof PulsegateError)) return answerTo.refused(500, 'INTERNAL', 'It failed; the log of the process says why.')
    const { code, message, entry } = error
    // an error that will go away is not the caller's fault; any other of ours is about what was asked for
    return { status: statusOf[code] ?? (entry.retryable ? 503 : 409), code, body: { error: { code, message: safeText(message), remedy: entry.remedy } } }
  }
}
