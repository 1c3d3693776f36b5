// What an error from PostgreSQL means for a batch: the one table. `data`: this input can never be stored, find the
// culprit; `transient`: the same batch may pass later, keep it and try again; `stop`: neither, the program or the set-up is
// wrong (a missing table, a missing right), alarm and store nothing. Codes: PostgreSQL documentation, appendix A.

export type Verdict = 'data' | 'transient' | 'stop'

// a whole code goes before its class
const codes: Readonly<Record<string, Verdict>> = {
  // data by class, but not the fault of any message
  22023: 'stop', // invalid_parameter_value: ours, of a function such as ensure_partitions
  // insufficient by class 25, but a primary that became a standby: fail-over
  25006: 'transient', // read_only_sql_transaction
  '25P02': 'transient', // in_failed_sql_transaction: an earlier error's echo
  '25P03': 'transient', // idle_in_transaction_session_timeout
  '25P04': 'transient', // transaction_timeout
  '55P03': 'transient', // lock_not_available: lock_timeout
  55006: 'transient' // object_in_use
}

const classes: Readonly<Record<string, Verdict>> = {
  '08': 'transient', // connection_exception
  21: 'data', // cardinality_violation
  22: 'data', // data_exception: 22021 NUL in text, 22003 out of range, 22008 time out of range
  23: 'data', // integrity_constraint_violation
  40: 'transient', // transaction_rollback: serialization_failure, deadlock_detected
  53: 'transient', // insufficient_resources: disk_full, out_of_memory, too_many_connections
  57: 'transient', // operator_intervention: admin_shutdown, cannot_connect_now, query_canceled by statement_timeout
  58: 'transient', // system_error: io_error
  F0: 'stop', // config_file_error
  XX: 'transient' // internal_error: data_corrupted too; never acknowledge, let a person look while we wait
}

/** The SQLSTATE of an error, or undefined when it has none (a broken socket, a client-side timeout). */
export function sqlStateOf (error: unknown): string | undefined {
  const code = (error as { code?: unknown } | null | undefined)?.code
  // by its known classes: Node's own codes, EPIPE for one, may have five letters too
  return typeof code === 'string' && /^(?:\d[0-9A-Z]|F0|HV|P0|XX)[0-9A-Z]{3}$/.test(code) ? code : undefined
}

/** The row belongs to a day whose partition is not there yet: 23514 without a constraint. Make it, then try again. */
export function isMissingPartition (error: unknown): boolean {
  return sqlStateOf(error) === '23514' && (error as { constraint?: string }).constraint === undefined
}

/** What to do with the batch that met `error`. Errors without an SQLSTATE are transient: their outcome is unknown. */
export function classify (error: unknown): Verdict {
  const code = sqlStateOf(error)
  if (code === undefined) return 'transient'
  // no message's fault, though its class says data
  if (isMissingPartition(error)) return 'transient'
  return codes[code] ?? classes[code.slice(0, 2)] ?? 'stop'
}

/** The fault by code and class, without the message, which may carry a value. */
export function describeFault (error: unknown): string {
  const state = sqlStateOf(error)
  if (state !== undefined) return `database: SQLSTATE ${state}`
  const { code, name, message } = error as Error & { code?: string }
  // ours: the wrong part would be looked at
  if (code?.startsWith('KEY_') === true) return `keys: ${code}`
  return `database: ${code ?? (name === 'Error' ? message : name)}`
}
