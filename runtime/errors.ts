// The registry of errors: the only place where a code is born (its tables stand beside it). Codes are stable and never
// reused; docs/errors.md lists exactly these (a test keeps it so).
import { type ErrorEntry } from './error-entry.ts'
import { auditErrors } from './error-table-audit.ts'
import { certificateErrors } from './error-table-certificates.ts'
import { registryErrors } from './error-table-registry.ts'
import { generalErrors } from './error-table.ts'
import { tenantErrors } from './error-table-tenants.ts'
import { protectionErrors } from './error-table-protection.ts'
import { safeText } from './log-safety.ts'

export type { ErrorEntry } from './error-entry.ts'

export const errorRegistry = { ...auditErrors, ...certificateErrors, ...generalErrors, ...protectionErrors, ...registryErrors, ...tenantErrors } as const

export type ErrorCode = keyof typeof errorRegistry

/** The exit code a process ends with for `error`: its entry's, or 1 for anything that is not ours. */
export function exitCodeOf (error: unknown): 1 | 2 | 78 {
  return error instanceof PulsegateError ? error.entry.exit : 1
}

/** `error` for a person at a terminal: code and message, what to do, and the causes below it. No stack. */
export function describeError (error: unknown): string {
  const lines = error instanceof PulsegateError
    ? [`${error.code}: ${safeText(error.message)}`, `  What to do: ${error.entry.remedy}`]
    : [`Unexpected: ${messageOf(error)}`]
  let cause = error instanceof Error ? error.cause : undefined
  // bounded: a cause may refer to itself
  for (let depth = 0; cause !== undefined && depth < 5; depth++) {
    lines.push(`  Because: ${messageOf(cause)}`)
    cause = cause instanceof Error ? cause.cause : undefined
  }
  return lines.join('\n')
}

function messageOf (error: unknown): string {
  if (!(error instanceof Error)) return safeText(String(error))
  // a refused connection to several addresses is an AggregateError with an empty message
  if (error.message === '' && error instanceof AggregateError) return error.errors.map(messageOf).join('; ')
  return safeText(error.message) || error.name
}

/** Every error of ours that reaches a person. `message` names the path, device or setting concerned, never a payload. */
export class PulsegateError extends Error {
  readonly code: ErrorCode

  constructor (code: ErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'PulsegateError'
    this.code = code
  }

  get entry (): ErrorEntry { return errorRegistry[this.code] }
}
