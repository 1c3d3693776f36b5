import { test } from 'tap'
import { classify, isMissingPartition, sqlStateOf, type Verdict } from '../../ingest/sqlstate.ts'

const table: Array<[code: string | undefined, Verdict, name: string]> = [
  ['22021', 'data', 'character_not_in_repertoire: NUL in text'],
  ['22003', 'data', 'numeric_value_out_of_range'],
  ['22008', 'data', 'datetime_field_overflow'],
  ['22P03', 'data', 'invalid_binary_representation'],
  ['21000', 'data', 'cardinality_violation'],
  ['23502', 'data', 'not_null_violation'],
  ['23505', 'data', 'unique_violation'],
  ['22023', 'stop', 'invalid_parameter_value: a call of ours'],
  ['08006', 'transient', 'connection_failure'],
  ['57P01', 'transient', 'admin_shutdown'],
  ['57P03', 'transient', 'cannot_connect_now'],
  ['57014', 'transient', 'query_canceled: statement_timeout'],
  ['53100', 'transient', 'disk_full'],
  ['53300', 'transient', 'too_many_connections'],
  ['40001', 'transient', 'serialization_failure'],
  ['40P01', 'transient', 'deadlock_detected'],
  ['25006', 'transient', 'read_only_sql_transaction: fail-over'],
  ['55P03', 'transient', 'lock_not_available'],
  ['58030', 'transient', 'io_error'],
  ['42P01', 'stop', 'undefined_table: not migrated'],
  ['42501', 'stop', 'insufficient_privilege'],
  ['28P01', 'stop', 'invalid_password'],
  ['3D000', 'stop', 'invalid_catalog_name'],
  ['0A000', 'stop', 'feature_not_supported'],
  ['EPIPE', 'transient', "Node's own code is no SQLSTATE"],
  ['ECONNREFUSED', 'transient', 'nobody listens'],
  [undefined, 'transient', 'no code: the outcome is unknown']
]

test('each SQLSTATE has its verdict', async (t) => {
  for (const [code, verdict, name] of table) t.equal(classify(Object.assign(new Error(name), { code })), verdict, `${code} ${name}`)
})

test('what is no error of PostgreSQL is transient', async (t) => {
  for (const thrown of [new Error('plain'), 'text', null, undefined, { code: 5 }]) t.equal(classify(thrown), 'transient')
  t.equal(sqlStateOf({ code: 'EBUSY' }), undefined)
})

test('a missing partition is not the message’s fault', async (t) => {
  t.equal(classify({ code: '23514' }), 'transient')
  t.ok(isMissingPartition({ code: '23514' }))
  t.equal(classify({ code: '23514', constraint: 'device_state_check' }), 'data')
})
